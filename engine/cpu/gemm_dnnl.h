// Matrix products on oneDNN, cached by shape. Thread-safe.
#pragma once
#include <memory>

#include "engine/backend.h"

namespace md {

class GemmPrimitives {
 public:
  virtual ~GemmPrimitives() = default;
  virtual void run(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) = 0;
  virtual i64 created() const = 0;
  virtual i64 kept() const = 0;
};

/// Keeps at most so many primitives.
std::unique_ptr<GemmPrimitives> make_gemm_primitives(std::size_t most);

}  // namespace md
