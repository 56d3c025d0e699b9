// Backend: what a vendor library (or a hand-tuned kernel) does better than a loop. Implemented once in engine/cpu
// (oneDNN, OpenMP) and once in engine/cuda (cuDNN, cuBLAS). Callers have checked every shape and allocated every
// output; backends trust. Everything else is a functor under launch() (engine/launch.h).
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md {

struct WindowSpec;        // engine/window_attention.h
struct WindowTensors;     // engine/window_attention.h
struct MetricDepthPairs;  // engine/metric_depth_pairs.h

/// Pointwise nonlinearities that a kernel can take along (engine/curves.h).
enum class Act : std::uint8_t { none, relu, hardswish, leaky_relu, elu, sigmoid, hardsigmoid };
/// "none", "relu", ...
const char* name_of(Act);
/// One of them, with its number.
struct Activation {
  Act kind = Act::none;
  float slope = 0.f;  // of leaky_relu
  auto operator<=>(const Activation&) const = default;
};

/// A number along H and one along W; a single one stands for both, as in PyTorch.
struct PerAxis {
  PerAxis(int both) : h(both), w(both) {}
  PerAxis(int along_h, int along_w) : h(along_h), w(along_w) {}
  auto operator<=>(const PerAxis&) const = default;
  int h, w;
};
std::ostream& operator<<(std::ostream&, const PerAxis&);  // "2", or "2x1"

/// Weights [O,kh,kw,I/groups], or depthwise [kh,kw,C] when groups == I == O.
struct Conv2dSpec {
  PerAxis stride = 1, pad = 0, dilation = 1;
  int groups = 1;
  Activation act = {};      // applied to the output. A library's relu and hardsigmoid may make 0 of NaN
  bool accumulate = false;  // adds what y holds before the activation
  auto operator<=>(const Conv2dSpec&) const = default;
};

/// Batch norm as torch.nn.functional.batch_norm has it, and the activation behind it.
struct BatchNormSpec {
  float eps = 1e-5F;    // added to the variance
  Activation act = {};  // applied after the affine map: none, relu or hardswish
};

/// What each training batch moves: new = (1 - momentum) * old + momentum * batch's, the variance the unbiased one.
struct RunningStatistics {
  Tensor mean, variance;  // [C]
  Tensor batches;         // i32 [], counts them; or empty
  float momentum = 0.1F;
};

/// Which factors of a matrix product are stored the other way round.
struct GemmSpec {
  bool transpose_a = false, transpose_b = false;
};

/// What a backend's pool of memory has done so far.
struct PoolStats {
  i64 hits = 0, misses = 0;  // allocations served from / not from what was free
  i64 bytes_in_use = 0, bytes_peak = 0, bytes_reserved = 0;
};

/// Brings input batches to a device while it still computes on the one before.
class InputQueue {
 public:
  virtual ~InputQueue() = default;
  /// Copies of tensors on the CPU; shapes and dtypes may differ from call to call. The copies hold until the next call
  /// but one, and for all work on the device that was asked for before the next call. A GPU's are read from `host` when
  /// this returns; a CPU's are, in f32, the tensors themselves.
  virtual std::vector<Tensor> push(std::span<const Tensor> host) = 0;
};

/// Work of a device that was written down once and can be asked for again as a whole (a CUDA graph).
class WorkGraph {
 public:
  virtual ~WorkGraph() = default;
  /// Asks for all of it once more; nobody waits.
  virtual void launch() = 0;
};

/// One device's kernels. Operands are dense, f32 unless said otherwise, and on this device; outputs are overwritten.
/// Those called maps, and their gradients, are all f32 or all bf16; sums are f32 or better in any case.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;  // "cpu", or "cuda:0" and what the GPU calls itself

  // Memory. Sizes are in bytes.
  virtual void* alloc(std::size_t bytes) = 0;       // from a caching pool; throws where there is none left
  virtual void free(void*, std::size_t bytes) = 0;  // back into the pool, with the size that was asked for
  virtual PoolStats pool_stats() const = 0;
  /// Between two pieces of work whose sizes differ: the pool gives back to the system what the work since the last call
  /// did not need, as far as more than these bytes are free, and of the library's primitives all go that were made for
  /// sizes of longer ago, but for a few. Equal pieces find all they need. Unless overridden, nothing.
  virtual void keep_cached_at_most(std::size_t /*bytes*/) {}
  virtual void fill(const Tensor& y, float value) = 0;                            // every element
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;           // both on this device
  virtual void to_device(void* device, const void* host, std::size_t bytes) = 0;  // `host` has been read on return
  virtual void to_host(void* host, const void* device, std::size_t bytes) = 0;    // waits
  virtual void add_into(const Tensor& sum, const Tensor& x) = 0;                  // sum += x, maps
  virtual std::unique_ptr<InputQueue> input_queue(Device to);                     // unless overridden, a CPU's

  // Many small tensors at once; unless overridden, one after the other.
  virtual void copy_each(const std::vector<Tensor>& to, const std::vector<Tensor>& from);  // f32 or i32
  /// sums[k] = sum of x[k], f32; 0 where x[k] is empty. In a fixed order.
  virtual void sum_each(const std::vector<Tensor>& x, const Tensor& sums);

  /// Writes down what `work` asks of this device instead of having it done. Every launch uses the addresses that `work`
  /// had: what it took from the pool and let go belongs to the graph, and whoever launches it keeps the rest where it
  /// is. Numbers that came from the host stay what they were. Throws what `work` throws, and where it waits for the
  /// device, brings numbers to it, or wants memory that the pool would have to ask for: then nothing has happened.
  /// Empty where the device has no such thing; unless overridden, it has none.
  virtual std::unique_ptr<WorkGraph> capture(const std::function<void()>& work);
  /// Whether that is going on.
  virtual bool capturing() const { return false; }
  /// Keeps `it` for as long as the graph that is being captured, if one is: what its work reads, and a cache may drop.
  virtual void keep_for_graph(const std::shared_ptr<const void>& /*it*/) {}

  /// Library primitives (or plans) created so far: constant in a steady-state training step.
  virtual i64 primitives_created() const = 0;
  /// Which of the library's plans were chosen, as text: another process that takes them computes the same bits on a
  /// device of this kind. "" where there is nothing to choose.
  virtual std::string chosen_plans() const { return ""; }
  /// From now on such a text's plans. Returns why they cannot be the same here, in a line, else "". Throws
  /// ErrorKind::bad_data where it is no such text.
  virtual std::string take_plans(const std::string& /*text*/) { return ""; }

  // Convolution, maps x [N,H,W,I] and y [N,OH,OW,O]; y may be f32 where x is bf16. `bias` may be empty.
  /// y = act(conv(x, w) + bias), or act(conv(x, w) + bias + y) where the spec accumulates.
  virtual void conv2d(const Conv2dSpec&, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) = 0;
  /// dz is the gradient before the activation.
  virtual void conv2d_dx(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx) = 0;
  /// `dbias` may be empty.
  virtual void conv2d_dw(const Conv2dSpec&, const Tensor& dz, const Tensor& x, const Tensor& dw,
                         const Tensor& dbias) = 0;

  // Batch norm over the rows of maps x [R,C], with its activation. mean, rstd [C].
  /// Writes the batch statistics (rstd = 1/sqrt(biased variance + eps)) and moves the running ones.
  virtual void batch_norm_statistics(const BatchNormSpec&, const Tensor& x, const RunningStatistics&,
                                     const Tensor& mean, const Tensor& rstd) = 0;
  /// y = act((x - mean) * rstd * weight + bias); weight, bias [C].
  virtual void batch_norm(const BatchNormSpec&, const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const Tensor& mean, const Tensor& rstd, const Tensor& y) = 0;
  /// `batch_statistics`: mean and rstd depend on x (training); else they are constants (evaluation). dx may be empty.
  virtual void batch_norm_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& x,
                                   const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                                   const Tensor& dx, const Tensor& dweight, const Tensor& dbias) = 0;

  /// c [M,N] = a [M,K] times b [K,N] (+ bias [N] in every row; may be empty), all dense. A transposed factor is [K,M],
  /// or [N,K], in memory. Leading axes count as rows. Where `a` is a bf16 map, so is c, and b is an f32 weight; where
  /// it is a transposed one, b is one too, and c the f32 gradient of a weight.
  virtual void gemm(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) = 0;

  // Layer norm of each row of maps x [R,C]. mean, rstd [R].
  /// y = (x - mean) * rstd * weight + bias; weight, bias [C]. Writes mean and rstd = 1/sqrt(biased variance + eps) too.
  virtual void layer_norm(float eps, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y,
                          const Tensor& mean, const Tensor& rstd) = 0;
  /// dx [R,C]; dweight, dbias [C].
  virtual void layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                   const Tensor& dbias) = 0;

  /// Window attention (engine/window_attention.h), y [N,H,W,C]. A window's scores live and die inside the kernel.
  virtual void window_attention(const WindowSpec&, const WindowTensors&, const Tensor& y) = 0;
  /// `gradients` has the shapes of `inputs`; its `v` is empty where theirs is.
  virtual void window_attention_backward(const WindowSpec&, const WindowTensors& inputs, const Tensor& dy,
                                         const WindowTensors& gradients) = 0;

  /// y[o,i] = sum over a of maps x[o,a,i] (times factor[o,a,i], if given), y f32. Fixed order, double partial sums.
  virtual void reduce_sum(const Tensor& x, const Tensor& factor, i64 outer, i64 axis, i64 inner, const Tensor& y) = 0;

  // What the above make up, for backends that do it in fewer passes over memory. Unless overridden, those that return
  // nothing are done one after the other, and those that return a bool do nothing and say false.
  /// c += a b, without a bias.
  virtual void add_gemm(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& c);
  /// dx += the gradient.
  virtual void add_conv2d_dx(const Conv2dSpec&, const Tensor& dz, const Tensor& w, const Tensor& dx);
  /// dx += the gradient; dweight and dbias are overwritten.
  virtual void add_layer_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                       const Tensor& rstd, const Tensor& dx, const Tensor& dweight,
                                       const Tensor& dbias);
  /// dw [O,I] = dy' x, and dbias [O] = the sum of dy's rows, if given. dy [...,O], x [...,I].
  virtual void linear_dw(const Tensor& dy, const Tensor& x, const Tensor& dw, const Tensor& dbias);
  /// dz = dy * act'(z), from y = act(z), and dbias [C] = the sum of dz's rows. Maps [...,C]; dz may be dy.
  virtual bool activation_backward(const Activation&, const Tensor& dy, const Tensor& y, const Tensor& dz,
                                   const Tensor& dbias);
  /// y = act(the affine map of x + residual), act none or relu.
  virtual bool batch_norm_plus(const BatchNormSpec&, const Tensor& x, const Tensor& weight, const Tensor& bias,
                               const Tensor& mean, const Tensor& rstd, const Tensor& residual, const Tensor& y);
  /// Its gradients behind a relu, where act of the spec is none: dz = dy where y is above 0, which is the residual's,
  /// may be dy and is not dx, and those of batch_norm_backward for dz.
  virtual bool batch_norm_plus_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& y,
                                        const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                                        const Tensor& rstd, const Tensor& dz, const Tensor& dx, const Tensor& dweight,
                                        const Tensor& dbias);
  /// dx += the gradient; dweight and dbias are overwritten.
  virtual bool add_batch_norm_backward(const BatchNormSpec&, bool batch_statistics, const Tensor& dy, const Tensor& x,
                                       const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd,
                                       const Tensor& dx, const Tensor& dweight, const Tensor& dbias);
  /// y[o,i] = the mean over a of maps x[o,a,i]; y has x's dtype.
  virtual bool reduce_mean(const Tensor& x, i64 outer, i64 axis, i64 inner, const Tensor& y);

  /// One pass over features [K,h,w,C] and depth_m [K,h,w], 0 or less where none was measured: the sum of the terms of
  /// all identified pairs (engine/metric_depth_formula.h), how many there are, and the gradient of that sum. Writes
  /// result = {sum, pairs}, [2]; gradient [K,h,w,C] may be empty.
  virtual void metric_depth(const MetricDepthPairs&, const Tensor& features, const Tensor& depth_m,
                            const Tensor& result, const Tensor& gradient) = 0;
};

/// The backend of a device, whatever its precision; throws (ErrorKind::no_device) when this program was built without
/// it, there is none, or it does not compute in that precision.
Backend& backend(Device);

/// The set of own CPU kernels in use, and all that this program has: "avx512 of avx2, avx512, avx512_bf16", or
/// "native". MD_ISA in the environment names one; throws if this program (ErrorKind::usage) or this processor
/// (ErrorKind::no_device) lacks it.
std::string cpu_kernels();

/// Names of the GPUs that this process can use, by index; empty where there is no driver or no CUDA in this program.
std::vector<std::string> cuda_device_names();

}  // namespace md
