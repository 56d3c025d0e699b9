// What stands before every kernel of our own. A portable program has them once for each set of instructions, a set in a
// namespace of its own, MD_KERNELS: avx2, avx512 and avx512_bf16 (engine/CMakeLists.txt); engine/cpu/kernel_choice.cpp
// takes one when the program starts. The instructions are switched on here and not by -march, behind all headers that
// other files include too: of what those define inline the linker keeps one copy for the whole program, and were that a
// copy for AVX-512, a machine without it could not run the program (tests/engine/isa_leak_test.sh).
#pragma once
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "engine/batch_norm_formula.h"
#include "engine/bf16.h"
#include "engine/conv_algorithm.h"
#include "engine/cpu/conv_dnnl.h"
#include "engine/cpu/gemm_dnnl.h"
#include "engine/cpu/weight_copy.h"
#include "engine/fused_activation.h"
#include "engine/metric_depth_pairs.h"
#include "engine/pool.h"
#include "engine/windows.h"

#ifdef MD_KERNELS_avx512
#define MD_AVX512
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,prefer-vector-width=512")
#endif
#ifdef MD_KERNELS_avx512_bf16
#define MD_AVX512
#pragma GCC target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")
#endif
