// mdbench: times the work that matters and, with --peer or --other-build, the same work in PyTorch or in another build,
// in alternating runs. Each run is a process of its own, so that its peak memory is its own too: the process's, or on a
// GPU what its tensors took there.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "data/file_status.h"
#include "engine/backend.h"
#include "engine/durable_file.h"
#include "engine/printed.h"
#include "tools/bench/bench_against.h"
#include "tools/bench/bench_data.h"
#include "tools/bench/bench_ops.h"
#include "tools/bench/bench_print.h"
#include "tools/bench/bench_work.h"
#include "tools/bench/timing.h"
#include "tools/cli/cli.h"
#include "tools/cli/device_option.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"
#include "tools/cli/process.h"

namespace md {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char *kOps = "ops", *kData = "data";  // reports of their own kind

struct Options {
  bool peer = false;
  std::vector<std::string> only;
  std::string other_build;  // its mdbench, instead of PyTorch
  std::string json, against;
  DeviceOptions device = {.name = "cpu"};
  std::string venv, python;
  std::string peer_script = MD_SOURCE_DIR "/tools/bench/peer_bench.py";
  int threads = 2, pairs = 3;
  double seconds = 2;
  std::map<std::string, std::string> official = {{"bts", ""}, {"newcrfs", ""}};  // --NAME-folder
  std::string child;  // the one benchmark to run in this process
};

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// --- In the child ----------------------------------------------------------------------------------------------------

Json ops_report(const Options& o) {
  const OpTable table = time_ops(o.seconds / 20);
  const Peaks& peaks = table.peaks;
  Json rows = Json::array();
  for (const OpTime& t : table.rows) {
    rows.push_back({{"network", t.network},
                    {"op", t.op},
                    {"input", t.shape},
                    {"pass", t.backward ? "backward" : "forward"},
                    {"seconds", t.times.median_s},
                    {"fastest_s", t.times.fastest_s},
                    {"spread_s", {t.times.lower_s, t.times.upper_s}},
                    {"gflops", t.flops / t.times.median_s / 1e9},
                    {"best_gflops", t.flops / t.times.fastest_s / 1e9},
                    {"gbytes", t.bytes / t.times.median_s / 1e9},
                    {"of_peak", t.of_peak(peaks)},
                    {"in_cache", t.in_cache(peaks)}});
  }
  Json report{{"peak_gflops", peaks.flops / 1e9},
              {"peak_gflops_by", peaks.f32_by},
              {"product_gflops", peaks.product_flops / 1e9}};
  report["peak_bf16_gflops"] = peaks.bf16_flops > 0 ? Json(peaks.bf16_flops / 1e9) : Json();
  report.update({{"peak_bf16_by", peaks.bf16_by}, {"peak_gbytes", peaks.bytes / 1e9}, {"rows", rows}});
  return report;
}

Json data_report(const Options& o) {
  const DataTimes t = time_data(o.seconds);
  return {{"step_s", t.step_s},
          {"waited_s", t.waited_s},
          {"waited", t.waited_s / t.step_s},
          {"from_memory_s", t.from_memory_s}};
}

bool on_gpu(Device device) { return device.kind == Device::cuda; }

const Benchmark& find(const std::string& name) {
  for (const Benchmark& b : benchmarks()) {
    if (b.name == name) return b;
  }
  fail(ErrorKind::usage, "--child: no benchmark '", name, "'");
}

Json child_report(const Options& options) {
  if (options.child == kOps) return ops_report(options);
  if (options.child == kData) return data_report(options);
  const Device device = choose_device(options.device);
  const auto work = find(options.child).prepare(device);
  const Tensor last = Tensor::zeros({1}, device);
  const auto until_done = [&] {
    work();
    last.to_host();  // a GPU does this after all that was asked of it before
  };
  Json report{{"seconds", median_s(options.seconds, until_done)}};
  if (on_gpu(device)) report["peak_mb"] = double(backend(device).pool_stats().bytes_peak) / 1e6;
  return report;
}

// --- In the parent ---------------------------------------------------------------------------------------------------

/// What it reports, with its peak memory if it says nothing of that itself.
Json run(std::vector<std::string> command, const Options& o) {
  command.insert(command.end(), {"--seconds", std::to_string(o.seconds), "--device", o.device.name});
  if (o.device.tf32) command.emplace_back("--tf32");
  const Finished done = run_process(command);
  Json report = Json::parse(done.output, nullptr, false);
  if (done.exit_code != 0 || report.is_discarded()) {
    fail(ErrorKind::contract, command[0], " ", command[1], " ", command[2], ": ended with ", done.exit_code);
  }
  if (!report.contains("peak_mb")) report["peak_mb"] = done.peak_mb;
  return report;
}

Json run_ours(const Options& o, const std::string& name) { return run({"/proc/self/exe", "--child", name}, o); }

bool has_peer(const Options& o, const Benchmark& b) {
  return !o.other_build.empty() || (o.peer && (b.official.empty() || !o.official.at(b.official).empty()));
}

Json run_peer(const Options& o, const Benchmark& b) {
  if (!o.other_build.empty()) return run({o.other_build, "--child", b.name}, o);
  std::vector<std::string> command{o.python, o.peer_script, b.name, "--threads", std::to_string(o.threads)};
  if (!b.official.empty()) command.insert(command.end(), {"--official", o.official.at(b.official)});
  return run(command, o);
}

/// The wheels for CPUs alone are a tenth of the size of PyPI's, but their index is not reachable everywhere.
bool install_pytorch(const std::string& python, Device device) {
  const std::vector<std::string> from_pypi{
      python, "-m", "pip", "install", "-q", "torch==2.13.0", "torchvision==0.28.0", "numpy", "pillow"};
  if (on_gpu(device)) return run_process(from_pypi).exit_code == 0;
  std::vector<std::string> for_cpu = from_pypi;
  for_cpu.insert(for_cpu.end(), {"--index-url", "https://download.pytorch.org/whl/cpu"});
  if (run_process(for_cpu).exit_code == 0) return true;
  std::cerr << "mdbench: no PyTorch from download.pytorch.org; trying PyPI\n";
  return run_process(from_pypi).exit_code == 0;
}

/// Whether these packages load, and PyTorch sees the GPU.
bool has_pytorch(const std::string& python, const std::string& packages, Device device) {
  const std::string probe = cat("import ", packages, on_gpu(device) ? "; torch.zeros(1).cuda()" : "");
  return run_process({python, "-c", probe}).exit_code == 0;
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

/// Sets options.python.
void prepare_peer(Options& o, Device device) {
  if (o.python.empty()) {
    if (o.venv.empty()) o.venv = cat(MD_SOURCE_DIR "/build/peer-venv", on_gpu(device) ? "-cuda" : "");
    o.python = prepare_venv(o.venv, device);
  } else if (!has_pytorch(o.python, "torch", device)) {
    fail(ErrorKind::missing, "--python ", o.python, ": PyTorch does not ", on_gpu(device) ? "see the GPU" : "load");
  }
}

Json compare(const Options& o, const Benchmark& b) {
  std::vector<double> ours_s, peer_s, ratios, ours_mb, peer_mb;
  std::string peer_way;
  for (int pair = 0; pair < o.pairs; ++pair) {
    const Json ours = run_ours(o, b.name);
    ours_s.push_back(ours.at("seconds"));
    ours_mb.push_back(ours.at("peak_mb"));
    if (!has_peer(o, b)) continue;
    const Json peer = run_peer(o, b);
    peer_s.push_back(peer.at("seconds"));
    peer_mb.push_back(peer.at("peak_mb"));
    peer_way = peer.value("way", "");
    ratios.push_back(ours_s.back() / peer_s.back());
  }
  const auto [low, high] = std::minmax_element(ours_s.begin(), ours_s.end());
  Json report{{"ours_s", median(ours_s)}, {"spread_s", {*low, *high}}, {"ours_peak_mb", median(ours_mb)}};
  if (has_peer(o, b)) {
    report.update({{"peer_s", median(peer_s)},
                   {"peer_peak_mb", median(peer_mb)},
                   {"peer", o.other_build.empty() ? "PyTorch" : o.other_build},
                   {"peer_way", peer_way},
                   {"ratio", median(ratios)},
                   {"ratios", ratios}});
  }
  return report;
}

std::vector<std::string> known(Device device) {
  std::vector<std::string> names;
  for (const Benchmark& b : benchmarks()) {
    if (!b.cpu_only || !on_gpu(device)) names.push_back(b.name);
  }
  if (!on_gpu(device)) names.insert(names.end(), {kData, kOps});
  return names;
}

/// " lt_train metric_depth ..."
std::string names_of_all(Device device) {
  std::string list;
  for (const std::string& name : known(device)) list += " " + name;
  return list;
}

std::vector<std::string> chosen(const Options& o, Device device) {
  const std::vector<std::string> all = known(device);
  for (const std::string& name : o.only) {
    if (std::find(all.begin(), all.end(), name) == all.end())
      fail(ErrorKind::usage, "--only: no benchmark '", name, on_gpu(device) ? "' on a GPU" : "'", " (there are",
           names_of_all(device), ")");
  }
  return o.only.empty() ? all : o.only;
}

Exit bench(Options o) {
  if (!o.child.empty()) {
    std::cout << child_report(o) << "\n";
    return Exit::ok;
  }
  const Device device = choose_device(o.device);
  o.device.name = on_gpu(device) ? cat("cuda:", device.index) : "cpu";
  const std::vector<std::string> names = chosen(o, device);
  if (!o.json.empty()) require_writable("--json", o.json);
  if (!o.other_build.empty() && !std::filesystem::is_regular_file(status_of(o.other_build)))
    fail(ErrorKind::missing, "--other-build ", o.other_build, ": no such program");
  for (const auto& [whose, folder] : o.official) {
    if (!folder.empty() && !std::filesystem::is_directory(status_of(folder)))
      fail(ErrorKind::missing, "--", whose, "-folder ", folder, ": no such folder");
  }
  if (o.peer) prepare_peer(o, device);
  setenv("OMP_NUM_THREADS", std::to_string(o.threads).c_str(), 1);
  Json all{{"threads", o.threads}, {"device", backend(device).name()}};
  if (on_gpu(device)) all["tf32"] = o.device.tf32;
  const Json earlier = o.against.empty() ? Json::object() : read_earlier(o.against, all);
  if (on_gpu(device)) {
    std::cout << "on " << backend(device).name() << (o.device.tf32 ? ", TF32" : ", f32") << std::endl;
  }
  for (const std::string& name : names) {
    const bool own_kind = name == kOps || name == kData;
    all[name] = own_kind ? run_ours(o, name) : compare(o, find(name));
    const Json before = earlier.value(name, Json::object());
    if (name == kOps) {
      print_ops(all[name], before);
    } else if (name == kData) {
      print_data(all[name]);
    } else {
      print_work(name, all[name], before);
    }
  }
  if (!o.json.empty()) write_file_durably(o.json, all.dump(2) + "\n");
  return Exit::ok;
}

}  // namespace
}  // namespace md

int main(int argc, char** argv) {
  md::Options o;
  CLI::App app("Times the engine and, with --peer, PyTorch on the same work.", "mdbench");
  app.add_flag("--peer", o.peer, "compare with PyTorch, in alternating runs");
  app.add_option("--other-build", o.other_build, "compare with this mdbench of another build, in alternating runs")
      ->excludes(app.get_option("--peer"));
  app.add_option("--only", o.only, "benchmarks to run:" + md::names_of_all(md::Device{}))->delimiter(',');
  app.add_option("--json", o.json, "write the figures to this file as well");
  app.add_option("--against", o.against, "compare with this file of an earlier --json, and mark what got slower");
  md::OptionTable device;
  md::add_device_options(device, o.device);
  device.define(app);
  app.add_option("--venv", o.venv, "virtual environment of --peer; made if it is not there (build/peer-venv[-cuda])");
  app.add_option("--python", o.python, "a Python that has PyTorch, for --peer in place of --venv")->excludes("--venv");
  app.add_option("--peer-script", o.peer_script,
                 "tools/bench/peer_bench.py, where it lies elsewhere than it was built from");
  app.add_option("--bts-folder", o.official["bts"], "a checkout of github.com/cleinc/bts: the peer of bts_train");
  app.add_option("--newcrfs-folder", o.official["newcrfs"],
                 "a checkout of github.com/aliyun/NeWCRFs: the peer of newcrfs_train and newcrfs_infer");
  app.add_option("--threads", o.threads, "threads that each side computes with")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--pairs", o.pairs, "runs of each side, in turns; ratios are medians over them")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  app.add_option("--seconds", o.seconds, "least time of a run, seconds")->capture_default_str()->check(md::positive());
  app.add_option("--child", o.child)->group("");
  return md::run_main(app, argc, argv, [&] { return md::bench(o); });
}
