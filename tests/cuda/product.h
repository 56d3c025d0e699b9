// The product that the doubles of cuDNN and cuBLAS share: in double, so that what it is compared with has all of the
// error; blocked for the processor, so that whole networks are affordable.
#pragma once
#include "engine/tensor.h"

namespace md::doubles {

/// Element (i,j) is at[i * row + j * column].
struct Matrix {
  const double* at;
  i64 row, column;
};

/// c [m,n] += a [m,k] b [k,n]; rows of c are dense, c_row apart.
void multiply(i64 m, i64 n, i64 k, const Matrix& a, const Matrix& b, double* c, i64 c_row);

}  // namespace md::doubles
