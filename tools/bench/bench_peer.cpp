#include "tools/bench/bench_peer.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "data/file_status.h"
#include "engine/durable_file.h"
#include "engine/text.h"
#include "nets/registry.h"
#include "tools/cli/process.h"
#include "tools/onnx/export_onnx.h"

namespace md {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

namespace {

bool on_gpu(Device device) { return device.kind == Device::cuda; }

bool pip_install(const std::string& python, const Words& packages) {
  Words command{python, "-m", "pip", "install", "-q"};
  command.insert(command.end(), packages.begin(), packages.end());
  return run_process(command).exit_code == 0;
}

/// The wheels for CPUs alone are a tenth of the size of PyPI's, but their index is not reachable everywhere.
bool install_pytorch(const std::string& python, Device device) {
  Words packages{"torch==2.15.0", "torchvision==0.29.2", "numpy", "pillow"};
  if (!on_gpu(device)) {
    Words for_cpu = packages;
    for_cpu.insert(for_cpu.end(), {"--index-url", "https://download.pytorch.org/whl/cpu"});
    if (pip_install(python, for_cpu)) return true;
    std::cerr << "mdbench: no PyTorch from download.pytorch.org; trying PyPI\n";
  }
  return pip_install(python, packages);
}

bool imports(const std::string& python, const std::string& packages, const std::string& then = "") {
  return run_process({python, "-c", cat("import ", packages, then)}).exit_code == 0;
}

/// Whether these packages load, and PyTorch sees the GPU.
bool has_pytorch(const std::string& python, const std::string& packages, Device device) {
  return imports(python, packages, on_gpu(device) ? "; torch.zeros(1).cuda()" : "");
}

/// Makes the virtual environment unless it is there and works; returns its Python.
std::string prepare_venv(const std::string& venv, Device device) {
  const std::string python = venv + "/bin/python";
  const auto works = [&] {
    return std::filesystem::exists(status_of(python)) && has_pytorch(python, "torch, torchvision", device);
  };
  if (works()) return python;
  std::cerr << "mdbench: installing PyTorch into " << venv << "\n";
  if (run_process({"python3", "-m", "venv", venv}).exit_code != 0)
    fail(ErrorKind::missing, "--venv ", venv,
         ": python3 cannot make it; Debian and Ubuntu want the package python3-venv");
  if (!install_pytorch(python, device)) fail(ErrorKind::missing, "--venv ", venv, ": cannot install PyTorch there");
  if (!works())
    fail(ErrorKind::missing, "--venv ", venv, ": PyTorch does not ", on_gpu(device) ? "see the GPU" : "load");
  return python;
}

/// Where one cannot be had, its modes are reported as absent.
void prepare_onnx(const std::string& python) {
  for (const auto& [module, package] :
       {std::pair("onnxruntime", "onnxruntime==1.32.0"), std::pair("openvino", "openvino==2026.4.1")}) {
    if (imports(python, module)) continue;
    std::cerr << "mdbench: installing " << package << "\n";
    if (!pip_install(python, {package})) std::cerr << "mdbench: cannot install " << package << "; going on without\n";
  }
}

void append(Words& command, const std::string& option, const std::string& value) {
  if (!value.empty()) command.insert(command.end(), {option, value});
}

}  // namespace

std::string name_of(Precision precision) {
  static const char* const names[] = {"f32", "tf32", "bf16"};
  return names[static_cast<int>(precision)];
}

Json run_timed(Words command, const BenchOptions& o) {
  command.insert(command.end(), {"--seconds", std::to_string(o.seconds), "--device", o.device.name});
  const Finished done = run_process(command);
  Json report = Json::parse(done.output, nullptr, false);
  if (done.exit_code != 0 || report.is_discarded()) {
    fail(ErrorKind::contract, command[0], " ", command[1], " ", command[2], ": ended with ", done.exit_code);
  }
  if (report.is_object() && !report.contains("peak_mb")) report["peak_mb"] = done.peak_mb;
  return report;
}

Json run_mdbench(const std::string& program, const std::string& benchmark, Precision precision, const BenchOptions& o) {
  Words command{program, "--child", benchmark};
  if (precision == Precision::tf32) command.emplace_back("--tf32");
  if (precision == Precision::bf16) append(command, "--precision", name_of(precision));
  if (o.device.exact_convolutions) command.emplace_back("--exact-convolutions");
  if (o.device.deterministic_plans) command.emplace_back("--deterministic-plans");
  return run_timed(command, o);
}

void prepare_peer(BenchOptions& o, Device device, bool with_onnx) {
  if (!o.python.empty()) {
    if (!has_pytorch(o.python, "torch", device))
      fail(ErrorKind::missing, "--python ", o.python, ": PyTorch does not ", on_gpu(device) ? "see the GPU" : "load");
    return;
  }
  if (o.venv.empty()) o.venv = cat(MD_SOURCE_DIR "/build/peer-venv", on_gpu(device) ? "-cuda" : "");
  o.python = prepare_venv(o.venv, device);
  if (with_onnx && !on_gpu(device)) prepare_onnx(o.python);
}

Json run_peers(const BenchOptions& o, const Benchmark& b, const Words& modes, const Words& precisions,
               const std::string& onnx) {
  Words command{o.python, o.peer_script, b.name, "--threads", std::to_string(o.threads)};
  append(command, "--precisions", listed(precisions, ","));
  append(command, "--modes", listed(modes, ","));
  append(command, "--official", b.official.empty() ? "" : o.official.at(b.official));
  append(command, "--onnx", onnx);
  return run_timed(command, o);
}

void export_net(const Benchmark& b, const std::string& file) {
  const auto net = make_net(b.exported, {});
  net->eval();
  const OnnxFile size{.height = b.images[1], .width = b.images[2], .batch = {b.images[0]}};
  write_file_durably(file, to_onnx(*net, b.exported, size));
}

ExportedNet::ExportedNet(const Benchmark& b) {
  if (b.exported.empty()) return;
  file_ = std::filesystem::temp_directory_path() / cat("mdbench-", getpid(), "-", b.name, ".onnx");
  if (run_process({"/proc/self/exe", "--child", b.name, "--export-to", file_}).exit_code != 0)
    fail(ErrorKind::contract, b.name, ": its network cannot be exported");
}

ExportedNet::~ExportedNet() {
  std::error_code gone_already;
  if (!file_.empty()) std::filesystem::remove(file_, gone_already);
}

}  // namespace md
