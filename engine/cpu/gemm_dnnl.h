// Matrix products on oneDNN, cached by shape.
#pragma once
#include <memory>

#include "engine/backend.h"

namespace md {

class GemmPrimitives {
 public:
  virtual ~GemmPrimitives() = default;
  virtual void run(const GemmSpec&, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) = 0;
  virtual i64 created() const = 0;
};

std::unique_ptr<GemmPrimitives> make_gemm_primitives();

}  // namespace md
