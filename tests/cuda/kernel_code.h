// What the compiler made of a kernel, read from the code that nvcc put into this program (an ELF file in a fatbin; its
// instructions are 16 bytes each): registers, spills, how wide its accesses to memory are, and the loop in which it
// spends its time. Knows the encoding of sm_75 to sm_89. REQUIRES: code that is not compressed (nvcc --no-compress).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace md::record {

/// Some of a kernel's instructions.
struct Instructions {
  i64 all = 0;
  i64 loads = 0, stores = 0;               // of global memory
  i64 load_bytes = 0, store_bytes = 0;     // that a thread moves with them
  i64 fma = 0;                             // f32, and a thread's share of the tensor cores'
  i64 tensor = 0;                          // steps of tensor cores: 16x8 sums of 8 terms by a warp
  i64 shared_loads = 0, shared_words = 0;  // and the words a thread gets from them
  i64 roots = 0;                           // and reciprocals, exponentials: the special unit's
  i64 calls = 0;                           // 64-bit divisions, mostly
};

struct KernelCode {
  std::string name;  // demangled
  int registers = 0, shared_bytes = 0;
  int spills = 0;  // loads and stores of local memory
  int widest = 0;  // bytes of the widest access to global memory
  Instructions whole;
  Instructions hot;         // the loop with most of the work; all of the kernel where none touches memory
  Instructions product;     // the loop that multiplies most densely
  Instructions root;        // the shortest loop with a function of the special unit: a square root
  i64 loads_in_flight = 1;  // the longest run of loads there that no store and no branch ends
  struct Parameter {
    int offset, bytes;
  };
  std::vector<Parameter> parameters;
};

/// Every kernel of a fatbin as __cudaRegisterFatBinary gets it, by its mangled name.
std::map<std::string, KernelCode> kernels_of(const void* wrapper);

}  // namespace md::record
