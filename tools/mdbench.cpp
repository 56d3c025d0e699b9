// mdbench: times the work that matters and, with --peer or --other-build, the same work in other programs or in another
// build, in alternating runs. Each run is a process of its own, so that its peak memory is its own too: the process's,
// or on a GPU what its tensors took there.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/file_status.h"
#include "engine/backend.h"
#include "engine/durable_file.h"
#include "engine/text.h"
#include "tools/bench/bench_against.h"
#include "tools/bench/bench_compare.h"
#include "tools/bench/bench_data.h"
#include "tools/bench/bench_ops.h"
#include "tools/bench/bench_peer.h"
#include "tools/bench/bench_print.h"
#include "tools/bench/bench_scale.h"
#include "tools/bench/bench_work.h"
#include "tools/bench/timing.h"
#include "tools/cli/cli.h"
#include "tools/cli/device_option.h"
#include "tools/cli/option_table.h"
#include "tools/cli/output.h"

namespace md {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kData = "data";    // a report of its own kind, as those of ops are
constexpr const char* kScale = "scale";  // on several ranks, where MPI is
constexpr const char* kOps = "ops";      // of every network
constexpr const char* kOpsOf = "ops_";   // and a benchmark's name
constexpr double kMostOfParts = 1.15;    // aim: the whole, as a multiple of its ops

// --- In the child ----------------------------------------------------------------------------------------------------

bool on_gpu(Device device) { return device.kind == Device::cuda; }

const Benchmark& find(const std::string& name) {
  for (const Benchmark& b : benchmarks()) {
    if (b.name == name) return b;
  }
  fail(ErrorKind::usage, "--child: no benchmark '", name, "'");
}

Json row_of(const OpTime& t, const Peaks& peaks, double parts_s) {
  return {{"op", t.op},
          {"input", t.shape},
          {"pass", t.pass},
          {"count", t.count},
          {"seconds", t.times.median_s},
          {"fastest_s", t.times.fastest_s},
          {"spread_s", {t.times.lower_s, t.times.upper_s}},
          {"of_parts", t.seconds() / parts_s},
          {"gflops", t.flops / t.times.median_s / 1e9},
          {"best_gflops", t.flops / t.times.fastest_s / 1e9},
          {"gbytes", t.bytes / t.times.median_s / 1e9},
          {"of_peak", t.of_peak(peaks)},
          {"in_cache", t.in_cache(peaks)}};
}

/// The device in each precision that is asked for.
std::vector<Device> choose_devices(const BenchOptions& o) {
  std::vector<Device> devices;
  for (const std::string& precision : o.precisions) {
    DeviceOptions one = o.device;
    one.precision = precision == "bf16" ? Precision::bf16 : Precision::f32;
    devices.push_back(choose_device(one));
  }
  return devices;
}

Json ops_report(const Benchmark& b, const BenchOptions& o) {
  const OpTable table = time_ops(b, choose_devices(o).front(), o.seconds / 20);
  const Peaks& peaks = table.peaks;
  const double parts_s = table.parts_s();
  Json rows = Json::array();
  for (const OpTime& t : table.rows) rows.push_back(row_of(t, peaks, parts_s));
  Json report{{"what", b.what},
              {"peak_gflops", peaks.flops / 1e9},
              {"peak_gflops_by", peaks.f32_by},
              {"product_gflops", peaks.product_flops / 1e9}};
  report["peak_bf16_gflops"] = peaks.bf16_flops > 0 ? Json(peaks.bf16_flops / 1e9) : Json();
  report.update({{"peak_bf16_by", peaks.bf16_by}, {"peak_gbytes", peaks.bytes / 1e9}});
  report.update({{"whole_s", table.whole_s}, {"parts_s", parts_s}, {"least_s", table.least_s()}});
  const double whole_of_parts = table.whole_s / parts_s;
  report.update(
      {{"whole_of_parts", whole_of_parts}, {"target", kMostOfParts}, {"met", whole_of_parts <= kMostOfParts}});
  report.update({{"missing", table.missing}, {"rows", rows}});
  return report;
}

Json data_report(const BenchOptions& o) {
  const DataTimes t = time_data(o.seconds);
  return {{"step_s", t.step_s},
          {"waited_s", t.waited_s},
          {"waited", t.waited_s / t.step_s},
          {"from_memory_s", t.from_memory_s}};
}

Json child_report(const BenchOptions& options) {
  if (is_scale_child(options.child)) return scale_child(options.child, options);
  if (options.child.starts_with(kOpsOf)) return ops_report(find(options.child.substr(4)), options);
  if (options.child == kData) return data_report(options);
  const Benchmark& benchmark = find(options.child);
  if (benchmark.start) {
    const Startup startup = benchmark.start();
    return {{"seconds", startup.seconds}, {"peak_mb", startup.peak_mb}};
  }
  const Device device = choose_devices(options).front();
  const Work work = benchmark.prepare(device);
  const Tensor last = Tensor::zeros({1}, device);
  const auto until_done = [&] {
    work.run();
    last.to_host();  // a GPU does this after all that was asked of it before
  };
  Json report{{"seconds", median_s(options.seconds, until_done)}};
  if (on_gpu(device)) report["peak_mb"] = double(backend(device).pool_stats().bytes_peak) / 1e6;
  return report;
}

// --- In the parent ---------------------------------------------------------------------------------------------------

/// What runs on a device in some precisions.
std::vector<std::string> known(const std::vector<Device>& devices) {
  const bool usual = std::find(devices.begin(), devices.end(), Device{}) != devices.end();  // the CPU, in f32
  std::vector<std::string> names;
  for (const Benchmark& b : benchmarks()) {
    if (!b.cpu_only || usual) names.push_back(b.name);
  }
  if (on_gpu(devices.front())) return names;
  if (usual) names.emplace_back(kData);
  if (usual) names.emplace_back(kScale);
  for (const Benchmark& b : benchmarks()) {
    if (b.has_ops) names.push_back(kOpsOf + b.name);
  }
  return names;
}

/// " lt_train metric_depth ..."
std::string names_of_all(const std::vector<Device>& devices) {
  std::string list;
  for (const std::string& name : known(devices)) list += " " + name;
  return list;
}

bool is_own_kind(const std::string& name) { return name == kData || name == kScale || name.starts_with(kOpsOf); }

std::vector<std::string> chosen(const BenchOptions& o, const std::vector<Device>& devices) {
  std::vector<std::string> all = known(devices);
  if (o.only.empty()) {
    std::erase(all, kScale);  // which wants a launcher, and the machine for ranks
    return all;
  }
  std::vector<std::string> names;
  for (const std::string& name : o.only) {
    const auto wanted = [&](const std::string& one) {
      return one == name || (name == kOps && one.starts_with(kOpsOf));
    };
    const std::size_t before = names.size();
    std::copy_if(all.begin(), all.end(), std::back_inserter(names), wanted);
    if (names.size() == before)
      fail(ErrorKind::usage, "--only: no benchmark '", name, on_gpu(devices.front()) ? "' on a GPU" : "'",
           " (there are", names_of_all(devices), ")");
  }
  return names;
}

/// Throws where a file or folder that is named cannot be used.
void check_places(const BenchOptions& o) {
  if (!o.json.empty()) require_writable("--json", o.json);
  if (!o.other_build.empty() && !std::filesystem::is_regular_file(status_of(o.other_build)))
    fail(ErrorKind::missing, "--other-build ", o.other_build, ": no such program");
  for (const auto& [whose, folder] : o.official) {
    if (!folder.empty() && !std::filesystem::is_directory(status_of(folder)))
      fail(ErrorKind::missing, "--", whose, "-folder ", folder, ": no such folder");
  }
}

/// A table for each precision; in two, also which ops bf16 makes slower.
Json run_and_print_ops(const BenchOptions& o, const std::string& name, const std::vector<Precision>& precisions,
                       const Json& earlier) {
  Json reports = Json::object();
  for (const Precision precision : precisions) {
    const std::string key = cat(name, "_", name_of(precision));
    reports[key] = run_mdbench("/proc/self/exe", name, precision, o);
    print_ops(reports[key], earlier.value(key, Json::object()));
  }
  if (reports.size() > 1) print_slower_ops(reports[name + "_f32"], reports[name + "_bf16"]);
  return reports;
}

/// Runs and prints one benchmark; returns its reports by name.
Json run_and_print(const BenchOptions& o, const std::string& name, const std::vector<Device>& devices,
                   const Json& earlier) {
  std::vector<Precision> precisions;
  for (const Device& device : devices) precisions.push_back(device.precision);
  if (name == kData) {
    Json report = run_mdbench("/proc/self/exe", name, Precision::f32, o);
    print_data(report);
    return {{name, report}};
  }
  if (name == kScale) return run_and_print_scale(o);
  if (is_own_kind(name)) return run_and_print_ops(o, name, precisions, earlier);
  const Benchmark& b = find(name);
  if (b.cpu_only) precisions = {Precision::f32};
  Json reports = compare(o, b, precisions);
  print_work(cat(b.name, ": ", b.what), reports, earlier);
  return reports;
}

Exit bench(BenchOptions o) {
  if (!o.export_to.empty()) {
    export_net(find(o.child), o.export_to);
    return Exit::ok;
  }
  if (!o.child.empty()) {
    const Json report = child_report(o);
    if (!report.is_null()) std::cout << report << "\n";
    return Exit::ok;
  }
  const std::vector<Device> devices = choose_devices(o);
  const Device device = devices.front();
  o.device.name = on_gpu(device) ? cat("cuda:", device.index) : "cpu";
  const std::vector<std::string> names = chosen(o, devices);
  check_places(o);
  if (o.peer) {
    prepare_peer(o, device, std::any_of(names.begin(), names.end(), [](const std::string& name) {
                   return !is_own_kind(name) && !find(name).exported.empty();
                 }));
  }
  setenv("OMP_NUM_THREADS", std::to_string(o.threads).c_str(), 1);
  Json all{{"threads", o.threads}, {"device", backend(device).name()}};
  const Json earlier = o.against.empty() ? Json::object() : read_earlier(o.against, all);
  std::cout << "on " << backend(device).name() << ", " << counted(o.threads, "thread") << std::endl;
  for (const std::string& name : names) all.update(run_and_print(o, name, devices, earlier));
  if (!o.json.empty()) write_file_durably(o.json, all.dump(2) + "\n");
  return Exit::ok;
}

}  // namespace
}  // namespace md

int main(int argc, char** argv) {
  md::BenchOptions o;
  CLI::App app("Times the engine and, with --peer, PyTorch, ONNX Runtime and OpenVINO on the same work.", "mdbench");
  app.add_flag("--peer", o.peer, "compare with every mode of other programs, in alternating runs");
  app.add_option("--other-build", o.other_build, "compare with this mdbench of another build, in alternating runs")
      ->excludes(app.get_option("--peer"));
  app.add_option("--only", o.only, "benchmarks to run; ops is all that begin so:" + md::names_of_all({md::Device{}}))
      ->delimiter(',');
  app.add_option("--json", o.json, "write the figures to this file as well");
  app.add_option("--against", o.against, "compare with this file of an earlier --json, and mark what got slower");
  md::OptionTable device;
  md::add_device_options(device, o.device);
  device.define(app);
  app.add_option("--precision", o.precisions,
                 "f32, bf16, or f32,bf16: both, in turns, with the ops that bf16 makes slower")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--venv", o.venv, "virtual environment of --peer; made if it is not there (build/peer-venv[-cuda])");
  app.add_option("--python", o.python, "a Python that has PyTorch, for --peer in place of --venv")->excludes("--venv");
  app.add_option("--peer-script", o.peer_script,
                 "tools/bench/peer_bench.py, where it lies elsewhere than it was built from");
  app.add_option(
         "--peer-modes", o.peer_modes,
         "only modes of the peers whose names have one of these parts: eager, compiled, channels_last, OpenVINO ...")
      ->delimiter(',');
  app.add_option("--bts-folder", o.official["bts"],
                 "a checkout of github.com/cleinc/bts: the peer of bts_train and bts_infer");
  app.add_option("--newcrfs-folder", o.official["newcrfs"],
                 "a checkout of github.com/aliyun/NeWCRFs: the peer of newcrfs_train and newcrfs_infer");
  app.add_option("--threads", o.threads, "threads that each side computes with")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--pairs", o.pairs,
                 "runs of each side, in turns; ratios are medians over them. Modes that took half as long again as the "
                 "best of their precision are run once")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  app.add_option("--seconds", o.seconds, "least time of a run, seconds")->capture_default_str()->check(md::positive());
  app.add_option("--bucket", o.bucket_mb, "scale: megabytes of gradients that are sent at once")
      ->capture_default_str()
      ->check(md::positive());
  app.add_option("--gpu-bucket", o.gpu_bucket_mb,
                 "scale: megabytes of gradients that the GPUs it predicts send at once")
      ->capture_default_str()
      ->check(md::positive());
  app.add_option("--gpu-step", o.gpu_step_s, "scale: seconds that a step takes one of these GPUs")
      ->capture_default_str()
      ->check(md::positive());
  app.add_option("--nvlink", o.nvlink_gb_s, "scale: 1e9 bytes a second in and out of a GPU, inside of a machine of 8")
      ->capture_default_str()
      ->check(md::positive());
  app.add_option("--infiniband", o.infiniband_gb_s, "scale: 1e9 bytes a second in and out of a GPU, between machines")
      ->capture_default_str()
      ->check(md::positive());
  app.add_option("--latency", o.latency_us, "scale: microseconds of a message between two of them")
      ->capture_default_str()
      ->check(md::not_negative());
  app.add_option("--child", o.child)->group("");
  app.add_option("--export-to", o.export_to)->group("");
  return md::run_main(app, argc, argv, [&] { return md::bench(o); });
}
