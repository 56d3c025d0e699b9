// How much Winograd's algorithm rounds, beside the sum of products as it stands: relative errors against double, of
// sampled elements of y, dx and dw, at the channels of the networks' convolutions. Prints the table of
// tools/bench/README.md.
#include <cmath>
#include <cstdio>

#include "engine/conv_algorithm.h"
#include "layers/ops.h"
#include "tests/kit/host_map.h"

namespace md::test {
namespace {

struct Case {
  const char* name;
  i64 n, h, w, in, out, window;
  int dilation;
};
const Case kCases[] = {{"LT up4.conv2", 2, 52, 68, 32, 32, 3, 1},       {"LT up4.conv1", 2, 52, 68, 64, 32, 3, 1},
                       {"BTS conv2", 1, 52, 68, 129, 64, 3, 1},         {"BTS layer3", 2, 26, 34, 256, 256, 3, 1},
                       {"BTS daspp, d = 6", 1, 52, 68, 256, 128, 3, 6}, {"BTS layer4", 2, 13, 17, 512, 512, 3, 1},
                       {"BTS conv5", 1, 13, 17, 1536, 512, 3, 1},       {"BTS upconv2", 1, 52, 68, 128, 256, 2, 1},
                       {"BTS upconv5", 1, 13, 17, 2048, 512, 2, 1}};

/// Relative errors of the three passes.
struct Errors {
  double y, dx, dw;
};

class Rounding {
 public:
  explicit Rounding(const Case& it)
      : it_(it),
        pad_(it.dilation),
        x_(random_tensor({it.n, it.h, it.w, it.in}, 1, -0.5F, 1)),  // as after an activation: not of mean 0
        w_(random_tensor({it.out, it.window, it.window, it.in}, 2)),
        shape_(conv2d(x_, w_, {}, spec()).shape()),
        dy_(random_upstream(shape_, 1001)),
        x_map_(x_),
        w_map_(w_),
        dy_map_(dy_) {}

  Errors errors(ConvAlgorithm algorithm) const {
    choose_conv_algorithm(algorithm);
    const Function f = [&](const auto& in) { return conv2d(in[0], in[1], {}, spec()); };
    const std::vector<Tensor> got = gradients(f, {x_, w_}, 1001);
    return {error(f({x_, w_}), &Rounding::output), error(got[0], &Rounding::input_gradient),
            error(got[1], &Rounding::weight_gradient)};
  }

 private:
  using Place = std::array<i64, 4>;
  Conv2dSpec spec() const { return {.pad = pad_, .dilation = it_.dilation}; }
  static bool inside(i64 row, i64 column, const Shape& image) {
    return row >= 0 && row < image[1] && column >= 0 && column < image[2];
  }

  double output(const Place& p) const {
    double sum = 0;
    for_each_tap([&](i64 ky, i64 kx) {
      const i64 iy = p[1] - pad_ + ky * it_.dilation, ix = p[2] - pad_ + kx * it_.dilation;
      for (i64 i = 0; i < it_.in && inside(iy, ix, x_.shape()); ++i)
        sum += x_map_(p[0], iy, ix, i) * w_map_(p[3], ky, kx, i);
    });
    return sum;
  }
  double input_gradient(const Place& p) const {
    double sum = 0;
    for_each_tap([&](i64 ky, i64 kx) {
      const i64 oy = p[1] + pad_ - ky * it_.dilation, ox = p[2] + pad_ - kx * it_.dilation;
      for (i64 o = 0; o < it_.out && inside(oy, ox, shape_); ++o)
        sum += dy_map_(p[0], oy, ox, o) * w_map_(o, ky, kx, p[3]);
    });
    return sum;
  }
  double weight_gradient(const Place& p) const {
    double sum = 0;
    for (i64 n = 0; n < it_.n; ++n) {
      for (i64 oy = 0; oy < shape_[1]; ++oy) {
        for (i64 ox = 0; ox < shape_[2]; ++ox) {
          const i64 iy = oy - pad_ + p[1] * it_.dilation, ix = ox - pad_ + p[2] * it_.dilation;
          if (inside(iy, ix, x_.shape())) sum += dy_map_(n, oy, ox, p[0]) * x_map_(n, iy, ix, p[3]);
        }
      }
    }
    return sum;
  }
  template <class F>
  void for_each_tap(const F& f) const {
    for (i64 ky = 0; ky < it_.window; ++ky) {
      for (i64 kx = 0; kx < it_.window; ++kx) f(ky, kx);
    }
  }

  double error(const Tensor& got, double (Rounding::*exact)(const Place&) const) const {
    constexpr i64 kSamples = 400;
    const HostMap map(got);
    const Shape& s = got.shape();
    double squares = 0, of = 0;
    for (i64 k = 0; k < kSamples; ++k) {
      i64 at = k * got.numel() / kSamples + k % 7;
      Place p;
      for (int axis = 3; axis >= 0; --axis) {
        p[std::size_t(axis)] = at % s[axis];
        at /= s[axis];
      }
      const double want = (this->*exact)(p), off = map(p[0], p[1], p[2], p[3]) - want;
      squares += off * off;
      of += want * want;
    }
    return std::sqrt(squares / of);
  }

  const Case it_;
  const int pad_;
  const Tensor x_, w_;
  const Shape shape_;
  const Tensor dy_;
  const HostMap x_map_, w_map_, dy_map_;
};

// Measured: tiles of 4 up to 5.5e-7, tiles of 6 up to 1.2e-6; the library's direct sum, which is only printed, 1e-7 to
// 1.2e-6.
constexpr double kMostOnTilesOf4 = 1e-6, kMostOnTilesOf6 = 2e-6;

void expect_small(const Case& it, ConvAlgorithm algorithm, const Errors& e) {
  const double most = algorithm == ConvAlgorithm::winograd6 ? kMostOnTilesOf6 : kMostOnTilesOf4;
  EXPECT_LE(e.y, most) << it.name;
  EXPECT_LE(e.dx, most) << it.name;
  EXPECT_LE(e.dw, most) << it.name;
}

TEST(WinogradError, IsThatOfTheSumOfProductsUpToASmallFactor) {
  std::string table = "| convolution | direct y, dx, dw | tiles of 4 | tiles of 6 |\n|---|---|---|---|\n";
  for (const Case& it : kCases) {
    const Rounding rounding(it);
    table += cat("| ", it.name, " ", it.h, "x", it.w, "x", it.in, " -> ", it.out, " |");
    for (const auto algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd4, ConvAlgorithm::winograd6}) {
      const Errors e = rounding.errors(algorithm);
      if (algorithm != ConvAlgorithm::direct) expect_small(it, algorithm, e);
      std::array<char, 64> numbers{};
      std::snprintf(numbers.data(), numbers.size(), " %.1e %.1e %.1e |", e.y, e.dx, e.dw);
      table += numbers.data();
    }
    table += "\n";
  }
  choose_conv_algorithm(ConvAlgorithm::fastest);
  std::cout << table;
}

}  // namespace
}  // namespace md::test
