// Ranks compute on one thread each, so that 2 cores are 2 devices.
#include "tools/bench/bench_scale.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <thread>

#include "engine/comm.h"
#include "engine/printed.h"
#include "engine/text.h"
#include "nets/registry.h"
#include "tools/bench/scale_model.h"
#include "tools/bench/timing.h"
#include "tools/cli/clock.h"
#include "tools/cli/process.h"
#include "tools/cli/text_table.h"
#include "tools/train/train_step.h"

namespace md {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kChild = "scale_";
constexpr int kWarm = 1, kSteps = 5;
constexpr i64 kHeight = 192, kWidth = 256;

struct ScaledNet {
  const char *title, *name;
  i64 samples;  // a rank
};
constexpr ScaledNet kNets[] = {{"LT", "lt", 2}, {"BTS", "bts", 1}, {"NeWCRFs", "newcrfs_tiny07", 1}};

Batch samples_of(i64 n, const Communicator& ranks) {
  std::vector<float> image(std::size_t(n * kHeight * kWidth * 3)), depth_m(std::size_t(n * kHeight * kWidth));
  Rng rng(1, Purpose::test, std::uint64_t(ranks.rank()));
  rng.uniform(image, -2, 2);
  rng.uniform(depth_m, 1, 9);
  return {.image = Tensor::from_host(image, {n, kHeight, kWidth, 3}),
          .depth_m = Tensor::from_host(depth_m, {n, kHeight, kWidth}),
          .focal_px = {},
          .names = {}};
}

double middle(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

/// Gigabytes a second of sums when nobody computes: as the model counts them, in and out of a rank.
double lone_gb_s(Communicator& ranks) {
  if (ranks.size() == 1) return 0;
  const Tensor numbers = Tensor::zeros({(i64(4) << 20) / ranks.sum_unit() * ranks.sum_unit()});
  std::vector<double> seconds;
  for (int i = 0; i < 4; ++i) {
    ranks.barrier();
    const double begin = now_s();
    ranks.begin_sum(numbers);
    ranks.finish_sums();
    seconds.push_back(now_s() - begin);
  }
  const double n = ranks.size();
  return 2 * (n - 1) / n * double(numbers.bytes()) / *std::min_element(seconds.begin(), seconds.end()) / 1e9;
}

std::vector<std::string> command_of(const BenchOptions& o, const ScaledNet& net, int ranks) {
  std::vector<std::string> command;
  if (ranks > 1) command = {"mpirun", "-n", std::to_string(ranks)};
  command.insert(command.end(), {std::filesystem::read_symlink("/proc/self/exe").string(), "--child",
                                 cat(kChild, net.name), "--bucket", cat(o.bucket_mb)});
  return command;
}

std::vector<std::string> row_of(const ScaledNet& net, i64 ranks, const Json& r, double predicted_s) {
  const double sums_s = r.at("sums_s");
  return {net.title,
          std::to_string(ranks),
          printed("%.3f", double(r.at("step_s"))),
          printed("%.1f", double(r.at("bytes")) / 1e6),
          ranks == 1 ? "-" : printed("%.3f", sums_s),
          ranks == 1 ? "-" : printed("%.0f %%", 100 * double(r.at("hidden"))),
          ranks == 1 ? "-" : printed("%.3f", predicted_s)};
}

/// What the model says of these ranks on this machine: they share its cores, and take turns where there are fewer.
double predicted_here_s(const Json& one, const Json& several, i64 ranks, int cores, const BenchOptions& o) {
  const double turns = std::max(1., double(ranks) / cores);
  const Cluster here{.devices_of_machine = cores,
                     .inside_gb_s = several.at("lone_gb_s"),
                     .between_gb_s = several.at("lone_gb_s"),
                     .latency_us = 100};
  const ScaledStep step{
      .seconds = turns * double(one.at("step_s")), .bytes = several.at("bytes"), .bucket_bytes = o.bucket_mb * 1e6};
  return predict_scale(step, here, ranks).step_s;
}

void print_prediction(const BenchOptions& o, const std::vector<double>& bytes, Json& report) {
  const Cluster cluster{.inside_gb_s = o.nvlink_gb_s, .between_gb_s = o.infiniband_gb_s, .latency_us = o.latency_us};
  std::cout << "predicted efficiency of a step that takes a GPU " << o.gpu_step_s << " s, NVLink " << o.nvlink_gb_s
            << " and InfiniBand " << o.infiniband_gb_s << " GB/s a GPU, " << o.latency_us
            << " us a message, buckets of " << o.gpu_bucket_mb << " MB\n";
  std::vector<std::vector<std::string>> rows = {{"GPUs"}};
  for (const ScaledNet& net : kNets) rows[0].emplace_back(net.title);
  for (i64 gpus = 8; gpus <= 512; gpus *= 2) {
    rows.push_back({std::to_string(gpus)});
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const ScaledStep step{.seconds = o.gpu_step_s, .bytes = bytes[i], .bucket_bytes = o.gpu_bucket_mb * 1e6};
      const double efficiency = predict_scale(step, cluster, gpus).efficiency;
      rows.back().push_back(printed("%.1f %%", 100 * efficiency));
      report["predicted"][kNets[i].name][std::to_string(gpus)] = efficiency;
    }
  }
  std::cout << text_table({{6}, {10}, {10}, {10}}, rows) << std::flush;
}

}  // namespace

bool is_scale_child(const std::string& child) { return child.starts_with(kChild); }

Json scale_child(const std::string& child, const BenchOptions& o) {
  const std::string name = child.substr(std::string(kChild).size());
  const auto* const net_of =
      std::find_if(std::begin(kNets), std::end(kNets), [&](const ScaledNet& n) { return n.name == name; });
  if (net_of == std::end(kNets)) fail(ErrorKind::usage, "--child: no benchmark '", child, "'");
  const std::unique_ptr<Communicator> ranks = join_ranks(600);
  TrainOptions options;
  options.net = name;
  options.batch = int(net_of->samples) * ranks->size();
  options.bucket_mb = o.bucket_mb;
  if (name == "bts") options.freeze = "stem";
  const auto net = make_net(name, {.seed = 1});
  TrainStep step(options, *net, 1000, *ranks);
  const Batch batch = samples_of(net_of->samples, *ranks);
  std::vector<double> step_s;
  Communicator::SumTimes before;
  for (int k = 0; k < kWarm + kSteps; ++k) {
    if (k == kWarm) before = ranks->sum_times();
    ranks->barrier();
    const double begin = now_s();
    step.begin(batch, k);
    step.finish();
    if (k >= kWarm) step_s.push_back(now_s() - begin);
  }
  const Communicator::SumTimes after = ranks->sum_times();
  double bytes = 0;
  for (const Module::Entry& p : net->parameters()) bytes += p.tensor.requires_grad() ? double(p.tensor.bytes()) : 0;
  const double sums_s = (after.total_s - before.total_s) / kSteps,
               waited_s = (after.waited_s - before.waited_s) / kSteps;
  const Json mine{{"step_s", middle(step_s)},
                  {"bytes", bytes},
                  {"sums_s", sums_s},
                  {"hidden", sums_s > 0 ? std::max(0., 1 - waited_s / sums_s) : 1.},
                  {"lone_gb_s", lone_gb_s(*ranks)}};
  return ranks->rank() == 0 ? mine : Json();
}

Json run_and_print_scale(const BenchOptions& o) {
  setenv("OMP_NUM_THREADS", "1", 1);
  const int cores = int(std::thread::hardware_concurrency());
  std::cout << "scale: training steps of " << kHeight << "x" << kWidth << ", a thread a rank, on "
            << counted(cores, "core") << ", buckets of " << o.bucket_mb << " MB\n";
  Json report = Json::object();
  std::vector<double> bytes;
  std::vector<std::vector<std::string>> rows = {
      {"network", "ranks", "step, s", "summed, MB", "sums, s", "hidden", "model, s"}};
  for (const ScaledNet& net : kNets) {
    Json one;
    for (const int ranks : {1, 2, 4}) {
      const Finished run = run_process(command_of(o, net, ranks));
      if (run.exit_code != 0) fail(ErrorKind::contract, "mpirun -n ", ranks, ": exit code ", run.exit_code);
      const Json result =
          Json::parse(run.output.substr(run.output.find('{'), run.output.rfind('}') - run.output.find('{') + 1));
      if (ranks == 1) one = result;
      rows.push_back(row_of(net, ranks, result, ranks == 1 ? 0 : predicted_here_s(one, result, ranks, cores, o)));
      report["scale"][net.name][std::to_string(ranks)] = result;
    }
    bytes.push_back(one.at("bytes"));
  }
  std::cout << text_table({{9, true}, {6}, {9}, {12}, {9}, {8}, {10}}, rows);
  print_prediction(o, bytes, report);
  return report;
}

}  // namespace md
