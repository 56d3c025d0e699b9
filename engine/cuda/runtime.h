// The CUDA runtime as the engine uses it: one GPU a process, chosen by the first use of its index, one stream that all
// computing runs on, one for copies of input batches. Every failing call becomes md::Error (ErrorKind::no_device) with
// the call's text, CUDA's words and the place; a driver that is missing or too old is told apart. One thread computes.
#pragma once
#include <cuda_runtime_api.h>

#include <string>
#include <vector>

#include "engine/check.h"

namespace md::cuda {

/// Throws unless `status` is success; clears the runtime's own record of the error.
void check(cudaError_t status, const char* call, const char* file, int line);
#define MD_CUDA(call) ::md::cuda::check((call), #call, __FILE__, __LINE__)

/// Names of the GPUs that this process can use, by index; empty where the driver is missing or too old.
std::vector<std::string> device_names();

/// A stream that does not wait for the default one.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

struct Runtime {
  explicit Runtime(int index_wanted);  // throws with the reason why there is no such GPU
  int index;
  std::string name;
  int generation;              // the major number of its compute capability
  bool reads_pageable_memory;  // by itself, in the stream's order; other GPUs have copies of it staged at once
  Stream compute, copies;
};

/// The process's GPU. The first call decides which; another index throws, and so does -1 ("whichever it is") before.
const Runtime& runtime(int index = -1);

/// Throws where the process's GPU does not multiply bf16.
void require_bf16();

/// An event without timing.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t);           // the point is behind what is queued there now
  void hold_back(cudaStream_t) const;  // what is queued there from now on runs after the recorded point
  bool passed() const;                 // whether the point was passed
  void wait() const;                   // the host; returns at once if the point was passed

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace md::cuda
