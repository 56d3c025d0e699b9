// Lesson 6: Pad, crop, shuffle
// After lesson 5, concat and slice. Ops: pad_reflect, pad_zero, crop, pixel_shuffle, merge_patches.
//
// 1. Idea
//
// A network pads an image to a size that it likes, crops its result, turns channels into pixels and pixels into
// channels. All these ops are one rule: output number i is a copy of input number from(i), or 0 where there is none.
//
// Backwards there is one rule, too: whatever output i says, add it to the gradient of from(i). If two outputs are
// copies of the same input, it gets both. If an input is copied nowhere, it keeps 0. Whoever can write down from(i) has
// written the gradient.
#pragma once
#include <functional>
#include <optional>

#include "layers/ops.h"
#include "tests/kit/lesson.h"

namespace md::lessons::pad {
using namespace test;

Definition reflect_op(i64 h, i64 w);  // part 4
Definition shuffle_op(i64 r);         // part 4

// 2. By hand
//
// A row of three pixels is padded to five by reflection: behind the last pixel comes the one before it, then the one
// before that. The last pixel itself is not repeated.
//
//     x = (1, 2, 3), y = (1, 2, 3, 2, 1)
//
// Output 3 is a copy of input 1, and output 4 of input 0. With dy = (1, 2, 3, 4, 5):
//
//     dx = (1 + 5, 2 + 4, 3) = (6, 6, 3)
//
// pixel_shuffle makes one pixel with four channels a square of 2x2 pixels: (1, 2, 3, 4) becomes the rows (1, 2) and
// (3, 4). Each number moves to one place, and its gradient moves back.
inline std::vector<ByHand> by_hand() {
  return {{
              .op = reflect_op(1, 5),
              .inputs = {{"x", {1, 1, 3, 1}, {1, 2, 3}}},
              // blank numbers: the row, then what it reflects
              .y = {"y", {1, 1, 5, 1}, {1, 2, 3, 2, 1}},
              // end of blank
              .dy = {"dy", {1, 1, 5, 1}, {1, 2, 3, 4, 5}},
              // blank numbers: a pixel with two copies gets both of their gradients
              .gradients = {{"dx", {1, 1, 3, 1}, {6, 6, 3}}}
              // end of blank
          },
          {.op = shuffle_op(2),
           .inputs = {{"x", {1, 1, 1, 4}, {1, 2, 3, 4}}},
           .y = {"y", {1, 2, 2, 1}, {1, 2, 3, 4}},
           .dy = {"dy", {1, 2, 2, 1}, {5, 6, 7, 8}},
           .gradients = {{"dx", {1, 1, 1, 4}, {5, 6, 7, 8}}}}};
}

// 3. Definition
//
// A move is the shape of its output and from: for an output place (n,h,w,c) the input place that it is a copy of, or
// nothing. In the five ops:
//
// - pad_reflect: row h beyond the last row H-1 is row 2(H-1) - h; if that is above the first row, because the map is
// smaller
//   than its padding, the edge row H-1 instead. Columns alike.
// - pad_zero: itself inside of the map, nothing outside. crop: itself.
// - pixel_shuffle by r: pixel (h,w) comes from pixel (h/r, w/r), rounded down. Channel c there is cut into r x r
// channels, one for
//   each place in the square: number c * r * r + (h mod r) * r + (w mod r).
// - merge_patches: the four pixels of a 2x2 square side by side as channels, in the order down, then right. At an odd
// side
//   the last square is half empty.

/// A place in a map.
struct Place {
  i64 n, h, w, c;
};

/// A rule y(place) = x(from(place)), 0 where from gives nothing.
struct Move {
  Shape to;
  std::function<std::optional<Place>(const Place&)> from;
};

/// Calls visit(place in y, place in x) for every copy.
template <class F>
void for_each_copy(const Move& move, const F& visit) {
  Place to{};
  for (to.n = 0; to.n < move.to[0]; ++to.n)
    for (to.h = 0; to.h < move.to[1]; ++to.h)
      for (to.w = 0; to.w < move.to[2]; ++to.w)
        for (to.c = 0; to.c < move.to[3]; ++to.c) {
          if (const std::optional<Place> from = move.from(to)) visit(to, *from);
        }
}

inline Array moved(const Array& x, const Move& move) {
  Array y(move.to);
  for_each_copy(
      move, [&](const Place& to, const Place& from) { y(to.n, to.h, to.w, to.c) = x(from.n, from.h, from.w, from.c); });
  return y;
}

inline Move reflected(const Shape& x, i64 h, i64 w) {
  const auto reflect = [](i64 at, i64 side) {
    i64 from = at;
    // blank: from, the row (or column) that row `at` of the output is a copy of, of `side` rows
    if (at >= side) from = 2 * (side - 1) - at >= 0 ? 2 * (side - 1) - at : side - 1;
    // end of blank
    return from;
  };
  return {{x[0], h, w, x[3]}, [=](const Place& to) -> std::optional<Place> {
            return Place{to.n, reflect(to.h, x[1]), reflect(to.w, x[2]), to.c};
          }};
}

inline Move padded_with_zeros(const Shape& x, i64 h, i64 w) {
  return {{x[0], h, w, x[3]},
          [=](const Place& to) { return to.h < x[1] && to.w < x[2] ? std::optional<Place>(to) : std::nullopt; }};
}

inline Move cropped(const Shape& x, i64 h, i64 w) {
  return {{x[0], h, w, x[3]}, [](const Place& to) { return std::optional<Place>(to); }};
}

inline Move shuffled(const Shape& x, i64 r) {
  return {{x[0], x[1] * r, x[2] * r, x[3] / (r * r)}, [r](const Place& to) -> std::optional<Place> {
            return Place{to.n, to.h / r, to.w / r, (to.c * r + to.h % r) * r + to.w % r};
          }};
}

inline Move merged(const Shape& x) {
  return {{x[0], (x[1] + 1) / 2, (x[2] + 1) / 2, 4 * x[3]}, [=](const Place& to) -> std::optional<Place> {
            const i64 quarter = to.c / x[3];  // 0 top left, 1 below it, 2 right of it, 3 below that
            const Place from{to.n, 2 * to.h + quarter % 2, 2 * to.w + quarter / 2, to.c % x[3]};
            return from.h < x[1] && from.w < x[2] ? std::optional<Place>(from) : std::nullopt;
          }};
}

// 4. Derivation
//
// x_j occurs in those outputs i that are copies of it, each time with the slope 1:
//
//     dL/dx[j] = sum over "all i with from(i) = j" of dy[i]
//
// To compute this nobody has to find all i for a given j. The loop over the outputs meets each copy once, and +=
// collects. (Kernels on many threads do the opposite: two threads must not add to the same number at once. For each j
// they gather what goes there, which needs the inverse of from.)
inline Array moved_back(const Array& x, const Move& move, const Array& dy, const Terms& term) {
  Array dx(x.shape());
  for_each_copy(move, [&](const Place& to, const Place& from) {
    // blank: what this copy says to its source
    dx(from.n, from.h, from.w, from.c) += term("dy", dy(to.n, to.h, to.w, to.c));
    // end of blank
  });
  return dx;
}

/// An op that is a move; `move` makes it for the shape of x.
inline Definition move_op(const char* name, std::function<Move(const Shape&)> move,
                          std::function<Tensor(const Tensor&)> kernel) {
  return {.name = name,
          .inputs = {"x"},
          .value = [move](const Arrays& in) { return moved(in[0], move(in[0].shape())); },
          .gradients = [move](const Arrays& in, const Array& dy,
                              const Terms& term) { return Arrays{moved_back(in[0], move(in[0].shape()), dy, term)}; },
          .kernel = [kernel](const std::vector<Tensor>& in) { return kernel(in[0]); }};
}

inline Definition reflect_op(i64 h, i64 w) {
  return move_op(
      "pad_reflect", [=](const Shape& x) { return reflected(x, h, w); },
      [=](const Tensor& x) { return pad_reflect(x, h, w); });
}
inline Definition zero_op(i64 h, i64 w) {
  return move_op(
      "pad_zero", [=](const Shape& x) { return padded_with_zeros(x, h, w); },
      [=](const Tensor& x) { return pad_zero(x, h, w); });
}
inline Definition crop_op(i64 h, i64 w) {
  return move_op(
      "crop", [=](const Shape& x) { return cropped(x, h, w); }, [=](const Tensor& x) { return crop(x, h, w); });
}
inline Definition shuffle_op(i64 r) {
  return move_op(
      "pixel_shuffle", [=](const Shape& x) { return shuffled(x, r); },
      [=](const Tensor& x) { return pixel_shuffle(x, r); });
}
inline Definition merge_op() { return move_op("merge_patches", merged, merge_patches); }

// 5. Check
//
// Copies are exact, and so are sums of two numbers of dy up to one rounding. Width and height differ, and so do the
// paddings.
inline std::vector<Check> checks() {
  constexpr double kExact = 0, kOneRounding = 1e-7;
  return {{reflect_op(8, 6), {random_array({2, 5, 4, 3}, 1)}, kOneRounding},
          {zero_op(5, 6), {random_array({2, 3, 4, 2}, 2)}, kExact},
          {crop_op(3, 5), {random_array({2, 4, 6, 3}, 3)}, kExact},
          {shuffle_op(2), {random_array({2, 3, 4, 8}, 4)}, kExact},
          {merge_op(), {random_array({2, 3, 5, 2}, 5)}, kExact}};
}

// 6. Adjoint
//
// A has one row for each output with a 1 at from(i), or no entry at all. Transposed, a column with two ones is a row
// that adds two numbers.
inline std::vector<Linear> linear() {
  return {
      {"pad_reflect", {"x"}}, {"pad_zero", {"x"}}, {"crop", {"x"}}, {"pixel_shuffle", {"x"}}, {"merge_patches", {"x"}}};
}

// 7. Lost terms
//
// One term for all of them. What can go wrong here is from, and the adjoint of a wrong from is wrong in the same way:
// the gradient check passes. Only the comparison with the kernel, and with PyTorch, tells.
inline std::vector<TermList> terms() {
  return {{"pad_reflect", {"dy"}},
          {"pad_zero", {"dy"}},
          {"crop", {"dy"}},
          {"pixel_shuffle", {"dy"}},
          {"merge_patches", {"dy"}}};
}

// 8. Trap and exercise
//
// The trap is a map smaller than its padding. The reflection of row 3 in a map of one row is row -3, and in memory that
// is something: the image before, or another tensor. PyTorch refuses such a padding; a network that takes images of any
// size needs an answer, and here it is the edge row.
inline std::string a_short_side_reflects_what_is_before_it() {
  const Array y(pad_reflect(Tensor::full({1, 1, 2, 1}, 5.F), 4, 5));
  for (i64 i = 0; i < y.numel(); ++i) {
    if (y[i] != 5) return cat("a map of fives is continued with ", y[i]);
  }
  return "";
}

// Exercise. Let y_i be the largest of some numbers of x. That is a copy, too: y_i = x at from(i), but from now depends
// on the numbers. What is the gradient while the largest stays the largest? What happens where two are equal?
// (Lesson 7.)

inline Lesson lesson() {
  return {6,
          "Pad, crop, shuffle",
          by_hand(),
          checks(),
          linear(),
          terms(),
          {{"a short side", a_short_side_reflects_what_is_before_it}}};
}

}  // namespace md::lessons::pad
