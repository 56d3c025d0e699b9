// cuda_record NET BATCHxHxW: one training step as a GPU would get it, on a machine without one: launches, the bytes
// that each kernel has to move and does, plans, host time, and what a model makes of it on some GPUs. Which kernels the
// figures are of is what nvcc compiled (MD_TESTS's builds have one architecture). Run it with
// LD_LIBRARY_PATH=build/cuda/tests/cuda/driver for plans that cuDNN compiles at run time.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/cuda/step_model.h"
#include "tools/cli/cli.h"

namespace md::record {
namespace {

constexpr double kMb = 1e6, kMs = 1e3;

void print_kernels(const Recording& recording, const StepCost& cost) {
  std::map<std::string, const KernelCode*> code;
  for (const Launch& l : recording.launches) code[short_name(l.code->name)] = l.code;
  std::vector<std::pair<std::string, Cost>> rows(cost.kernels.begin(), cost.kernels.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  std::printf("%-58s %5s %9s %9s %8s  %4s %5s %6s %6s %4s\n", "kernel", "n", "must MB", "moves MB", "model us", "regs",
              "width", "spills", "in fl.", "instr");
  for (const auto& [name, c] : rows) {
    const KernelCode& k = *code.at(name);
    std::printf("%-58s %5lld %9.1f %9.1f %8.1f  %4d %5d %6d %6lld %4lld\n", name.substr(0, 58).c_str(),
                (long long)c.times, c.must_bytes / kMb, c.moved_bytes / kMb, c.us, k.registers, k.widest, k.spills,
                (long long)k.loads_in_flight, (long long)k.hot.all);
  }
}

void print_plans(const Recording& recording) {
  struct Row {
    i64 times = 0, workspace = 0;
  };
  std::map<std::string, Row> rows;
  static const char* const passes[] = {"forward", "data gradient", "weight gradient"};
  for (const Convolution& c : recording.convolutions) {
    Row& row = rows[cat("engine ", c.engine, ", ", passes[int(c.problem.pass)])];
    ++row.times;
    row.workspace += c.workspace_bytes;
  }
  std::printf("\n%lld plans in %.1f s\n", (long long)recording.plans, recording.plan_s);
  for (const auto& [name, row] : rows)
    std::printf("%-40s %4lld runs %10.1f MB of workspace\n", name.c_str(), (long long)row.times,
                double(row.workspace) / kMb);
}

void print_step(const Recording& r) {
  print_kernels(r, cost_of(r, kGpus[0]));
  if (r.plan_s > 1e-2) print_plans(r);
  std::printf(
      "\n%zu launches, %zu convolutions, %zu products, %lld memsets, %lld copies; host %.2f + %.2f ms; %.2f GB at "
      "most\n",
      r.launches.size(), r.convolutions.size(), r.products.size(), (long long)r.memsets, (long long)r.copies,
      r.begin_ms, r.finish_ms, double(r.peak_bytes) / 1e9);
  std::printf("repeated: %lld graph launches, %lld others, %lld copies; host %.2f ms\n", (long long)r.repeated.graphs,
              (long long)r.repeated.launches, (long long)r.repeated.copies, r.repeated.host_ms);
  for (const Gpu& gpu : kGpus) {
    const StepCost c = cost_of(r, gpu);
    std::printf(
        "%-8s %7.2f ms: own kernels %.2f (%.2f GB must, %.2f moved), convolutions %.2f (%.2f, %.2f), products %.2f\n",
        gpu.name, c.total_ms(), c.own.us / kMs, c.own.must_bytes / 1e9, c.own.moved_bytes / 1e9,
        c.convolutions.us / kMs, c.convolutions.must_bytes / 1e9, c.convolutions.moved_bytes / 1e9,
        c.products.us / kMs);
  }
}

}  // namespace
}  // namespace md::record

int main(int argc, char** argv) {
  using namespace md;  // NOLINT: a main
  CLI::App app("A training step as a GPU would get it", "cuda_record");
  record::StepOptions o;
  std::string size = "8x416x544";
  app.add_option("net", o.net, "a network (mdtrain --help)")->required();
  app.add_option("size", size, "BATCHxHEIGHTxWIDTH")->required();
  bool tf32 = false, bf16 = false;
  app.add_flag("--tf32", tf32, "products on tensor cores");
  app.add_flag("--bf16", bf16, "maps in bf16, and products of them")->excludes("--tf32");
  app.add_flag("--metric-depth", o.metric_depth, "with the regulariser");
  app.add_flag("--plans", o.plans, "cuDNN plans each convolution: seconds to minutes");
  app.add_flag("--timed-plans", o.timed_plans, "with --plans: every plan that a GPU would time");
  app.add_option("--plan-folder", o.plan_folder, "with --plans: keep plans there, and take them from there");
  return run_main(app, argc, argv, [&] {
    long long n = 0, h = 0, w = 0;
    char rest = 0;
    if (std::sscanf(size.c_str(), "%lldx%lldx%lld%c", &n, &h, &w, &rest) != 3 || std::min({n, h, w}) < 1)
      fail(ErrorKind::usage, "size: ", size, " is not BATCHxHEIGHTxWIDTH");
    o.batch = n, o.height = h, o.width = w;
    o.precision = bf16 ? Precision::bf16 : tf32 ? Precision::tf32 : Precision::f32;
    record::print_step(record::record_step(o));
    return Exit::ok;
  });
}
