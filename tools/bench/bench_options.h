// What a run of mdbench is asked for.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tools/cli/device_option.h"

namespace md {

/// As --help says. `device.name` is "cpu" or "cuda:N" once the device has been chosen.
struct BenchOptions {
  std::vector<std::string> only;
  std::string json, against;
  DeviceOptions device = {.name = "cpu"};
  std::vector<std::string> precisions = {"f32"};  // "f32", "bf16"; on a GPU with --tf32, f32 means TF32
  int threads = 2, pairs = 3;
  double seconds = 2;

  // Of `scale`: sizes of buckets here and on GPUs, 1e6 bytes, and what the model of many GPUs is told.
  double bucket_mb = 4, gpu_bucket_mb = 25, gpu_step_s = 0.1, nvlink_gb_s = 450, infiniband_gb_s = 50, latency_us = 5;

  bool peer = false;
  std::string other_build;  // its mdbench, instead of the peers
  std::string venv, python;
  std::string peer_script = MD_SOURCE_DIR "/tools/bench/peer_bench.py";
  std::vector<std::string> peer_modes;                                           // parts of names; empty: all
  std::map<std::string, std::string> official = {{"bts", ""}, {"newcrfs", ""}};  // --NAME-folder

  std::string child;      // the one benchmark to run in this process
  std::string export_to;  // instead of running it, write its network to this ONNX file
};

}  // namespace md
