// Matrix products on oneDNN, cached by shape. Thread-safe.
#pragma once
#include <memory>

#include "engine/backend.h"

namespace md {

/// Matrix products, each planned once for its shapes.
class GemmPrimitives {
 public:
  virtual ~GemmPrimitives() = default;
  /// As Backend::gemm.
  virtual void run(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) = 0;
  /// Between two pieces of work: as LruCache::keep_at_most, and the library keeps none of what goes.
  virtual void keep_at_most(std::size_t primitives) = 0;
  virtual i64 created() const = 0;  // primitives, ever
  virtual i64 kept() const = 0;     // primitives in the cache now
};

/// Writes w [rows,columns] in panels of `height` rows, each [columns,height], with zeros below the last row.
using PackPanels = void (*)(const float* w, i64 rows, i64 columns, i64 height, float* panels);

/// Keeps at most so many primitives.
std::unique_ptr<GemmPrimitives> make_gemm_primitives(std::size_t most, PackPanels);

}  // namespace md
