#include "tests/cuda/step_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <regex>

namespace md::record {
namespace {

// What of the peak a well written kernel reaches, or a library where nobody measured this shape.
constexpr double kOfBandwidth = 0.9, kOfIssue = 0.65;
constexpr double kConvOfF32 = 0.5, kConvOfTensor = 0.27, kGemmOfF32 = 0.67, kGemmOfTensor = 0.57;
constexpr double kSmallKernelUs = 2.3;  // in a full stream
constexpr double kLoadUs = 0.6;         // a load that others of the thread wait for, under load
constexpr int kLanesIssued = 128;       // by a multiprocessor in a clock
constexpr double kRegisters = 65536, kSharedBytes = 100 * 1024, kBlocks = 16;  // of a multiprocessor; the smallest

/// What arguments do not tell of a kernel. Factors of the bytes that its arguments point at.
struct Habit {
  const char* kernel;
  double must, moves;  // moves: beyond must
};
constexpr Habit kHabits[] = {
    {"Rule", 1.75, 1},                // weight and both moments are read and written
    {"ScaleInPlace", 2, 1},           // likewise
    {"attend_backward", 7. / 19, 1},  // Q, K and V, and their gradients, are parts of one map each
    {"attend", 4. / 10, 1},
    {"MoveShuffled", 1, 2.5},  // reads 4 of 32 bytes
};

/// Products of shared memory, in multiplications a block, and instructions of threads beside them: what brings the
/// factors, and the exponentials.
struct Work {
  const char* kernel;
  double fma, beside;
};
constexpr double kOneProduct = 52 * 52 * 32;              // of two matrices of a window's head, with padding
constexpr double kPaddingOfSteps = 64. * 56 / (52 * 52);  // more of it on tensor cores
constexpr Work kWork[] = {{"attend_backward", 4 * 5 * kOneProduct, 4 * 2e5}, {"attend", 2 * kOneProduct, 1e5}};

/// Neighbours that MetricDepth's depths identify, of a pixel: 7.9 of 28 at depths uniform in 0 to 10 m. A warp takes so
/// many at once.
constexpr double kHits = 7.9, kHitsAtOnce = 4;
constexpr double kChannels = 32;  // of its features

template <class Table>
auto find(const Table& table, const std::string& name) {
  return std::find_if(std::begin(table), std::end(table),
                      [&](const auto& row) { return name.find(row.kernel) != std::string::npos; });
}

double resident_blocks(const Launch& l, const Gpu& gpu) {
  const KernelCode& k = *l.code;
  const double by_registers = std::floor(kRegisters / double((k.registers + 7) / 8 * 8 * l.threads));
  const double by_shared = std::floor(kSharedBytes / std::max<double>(1, double(k.shared_bytes + l.shared_bytes)));
  return std::max(1.0, std::min({by_registers, by_shared, std::floor(gpu.threads / double(l.threads)), kBlocks}));
}

/// Microseconds of the instructions of a multiprocessor's threads, of its tensor cores, and of its loads from shared
/// memory, a word a lane and clock.
double issue_us(const Instructions& n, double times, double threads, const Gpu& gpu) {
  const double tensor_rate = gpu.tf32_tflops * 1e3 / (gpu.multiprocessors * gpu.clock_ghz);  // operations a clock
  constexpr double kOfStep = 2. * 16 * 8 * 8 / 32;                                           // of a thread
  const double clocks =
      std::max({double(n.all) / kLanesIssued, double(n.shared_words) / 32, double(n.tensor) * kOfStep / tensor_rate});
  return times * threads * clocks / (gpu.multiprocessors * gpu.clock_ghz * 1e3 * kOfIssue);
}

double compute_us(const Launch& l, double moved, const Gpu& gpu) {
  const KernelCode& k = *l.code;
  const double threads = double(l.blocks * l.threads);
  if (const auto work = find(kWork, k.name); work != std::end(kWork)) {
    const double fma = work->fma * (k.product.tensor > 0 ? kPaddingOfSteps : 1);
    return issue_us(k.product, fma * double(l.blocks) / double(std::max<i64>(1, k.product.fma)), 1, gpu) +
           issue_us({.all = 1}, work->beside * double(l.blocks), 1, gpu);
  }
  if (k.name.find("pairs_of_pixels") != std::string::npos) {  // one warp a pixel of its first map
    const double pixels = double(*std::max_element(l.bytes.begin(), l.bytes.end())) / (4 * kChannels);
    return issue_us(k.root, pixels * std::ceil(kHits / kHitsAtOnce), 32, gpu);
  }
  const double of_a_trip = double(k.hot.load_bytes + k.hot.store_bytes);
  return of_a_trip > 0 ? issue_us(k.hot, moved / threads / of_a_trip, threads, gpu) : 0;
}

/// Microseconds that loads take which wait for each other.
double chain_us(const Launch& l, double moved, const Gpu& gpu) {
  const KernelCode& k = *l.code;
  const double load_share =
      double(k.hot.load_bytes) / std::max<double>(1, double(k.hot.load_bytes + k.hot.store_bytes));
  const double width = double(k.hot.load_bytes) / std::max<double>(1, double(k.hot.loads));
  if (width == 0) return 0;
  const double loads = moved * load_share / (double(l.blocks * l.threads) * width);
  const double waves = std::max(1.0, double(l.blocks) / (gpu.multiprocessors * resident_blocks(l, gpu)));
  return waves * std::ceil(loads / double(k.loads_in_flight)) * kLoadUs;
}

/// Of the tensor cores, dense.
double tensor_tflops(Precision precision, const Gpu& gpu) {
  return precision == Precision::bf16 ? gpu.bf16_tflops : gpu.tf32_tflops;
}

}  // namespace

Cost& Cost::operator+=(const Cost& c) {
  times += c.times;
  must_bytes += c.must_bytes;
  moved_bytes += c.moved_bytes;
  us += c.us;
  return *this;
}

Cost cost_of(const Launch& l, const Gpu& gpu) {
  const double bytes = double(std::accumulate(l.bytes.begin(), l.bytes.end(), i64{0}));
  Cost c{1, bytes, bytes, 0};
  if (const auto habit = find(kHabits, l.code->name); habit != std::end(kHabits)) {
    c.must_bytes *= habit->must;
    c.moved_bytes = c.must_bytes * habit->moves;
  }
  c.us = kSmallKernelUs + std::max({c.moved_bytes / (gpu.bandwidth_tb * kOfBandwidth * 1e6),
                                    compute_us(l, c.moved_bytes, gpu), chain_us(l, c.moved_bytes, gpu)});
  return c;
}

Cost cost_of(const Convolution& run, const Gpu& gpu) {
  const cuda::ConvProblem& p = run.problem;
  const auto count = [](const std::array<i64, 4>& a) {
    return double(a[0]) * double(a[1]) * double(a[2]) * double(a[3]);
  };
  const double must = double(size_of(p.dtype)) * (count(p.x) + count(p.w) + count(p.y));
  const double flops = 2 * count(p.y) * double(p.w[1] * p.w[2] * p.w[3]);
  const bool bf16 = p.dtype == DType::bf16, tensor_cores = (p.tf32 || bf16) && p.spec.groups == 1;
  const double rate = tensor_cores ? kConvOfTensor * tensor_tflops(bf16 ? Precision::bf16 : Precision::tf32, gpu)
                                   : kConvOfF32 * gpu.f32_tflops;
  Cost c{1, must, must + 2 * double(run.workspace_bytes), 0};
  c.us = kSmallKernelUs + std::max(must / (gpu.bandwidth_tb * kOfBandwidth * 1e6), flops / (rate * 1e6)) +
         (c.moved_bytes - must) / (gpu.bandwidth_tb * kOfBandwidth * 1e6);
  return c;
}

Cost cost_of(const MatrixProduct& p, const Gpu& gpu) {
  const double m = double(p.m), n = double(p.n), k = double(p.k);
  const double must = double(p.factor_bytes) * (m * k + k * n) + double(p.sum_bytes) * m * n;
  const double rate =
      p.precision == Precision::f32 ? kGemmOfF32 * gpu.f32_tflops : kGemmOfTensor * tensor_tflops(p.precision, gpu);
  return {1, must, must,
          kSmallKernelUs + std::max(must / (gpu.bandwidth_tb * kOfBandwidth * 1e6), 2 * m * n * k / (rate * 1e6))};
}

std::string short_name(const std::string& demangled) {
  std::string name =
      std::regex_replace(demangled, std::regex(R"(\(anonymous namespace\)::|md::|cuda::|^void |\(md::Act\))"), "");
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    depth += name[i] == '<' ? 1 : name[i] == '>' ? -1 : 0;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

StepCost cost_of(const Recording& recording, const Gpu& gpu) {
  StepCost all;
  for (const Launch& l : recording.launches) {
    const Cost c = cost_of(l, gpu);
    all.own += c;
    all.kernels[short_name(l.code->name)] += c;
  }
  for (const Convolution& c : recording.convolutions) all.convolutions += cost_of(c, gpu);
  for (const MatrixProduct& p : recording.products) all.products += cost_of(p, gpu);
  return all;
}

}  // namespace md::record
