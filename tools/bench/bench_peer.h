// What mdbench compares with: PyTorch, ONNX Runtime and OpenVINO in a virtual environment that it makes, or the mdbench
// of another build.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/bench/bench_options.h"
#include "tools/bench/bench_work.h"

namespace md {

/// "f32", "tf32" or "bf16".
std::string name_of(Precision);

/// Runs a program that times something as these options say, and reports with one line of JSON; "peak_mb" is added, of
/// the process, unless it says so itself. Throws ErrorKind::contract where it fails.
nlohmann::ordered_json run_timed(std::vector<std::string> command, const BenchOptions&);
/// The same of one benchmark in an mdbench, ours ("/proc/self/exe") or another build's, with the options of the device.
nlohmann::ordered_json run_mdbench(const std::string& program, const std::string& benchmark, Precision,
                                   const BenchOptions&);

/// Sets options.python, to that of a virtual environment which is made unless it is there and works; with ONNX Runtime
/// and OpenVINO in it where `with_onnx` says so and they can be had. Throws ErrorKind::missing where there is no
/// PyTorch, or none that sees the GPU.
void prepare_peer(BenchOptions&, Device, bool with_onnx);

/// One run of each of the peers' modes whose names have one of these parts (none: of all) and that compute in one of
/// these precisions: objects with "mode", "precision", and either "seconds" and "peak_mb", or "failed" or "absent" with
/// the reason. Of another build, its one mode. `onnx`: the network's file, or "".
nlohmann::ordered_json run_peers(const BenchOptions&, const Benchmark&, const std::vector<std::string>& modes,
                                 const std::vector<std::string>& precisions, const std::string& onnx);

/// Writes the benchmark's network, which it must have, as an ONNX file.
void export_net(const Benchmark&, const std::string& file);

/// The benchmark's network as an ONNX file, for as long as this lives; "" where it exports none. Written by a process
/// of its own: the memory that a process has taken counts in the peaks of those that it starts (ru_maxrss).
class ExportedNet {
 public:
  explicit ExportedNet(const Benchmark&);
  ~ExportedNet();
  ExportedNet(const ExportedNet&) = delete;
  ExportedNet& operator=(const ExportedNet&) = delete;
  const std::string& file() const { return file_; }

 private:
  std::string file_;
};

}  // namespace md
