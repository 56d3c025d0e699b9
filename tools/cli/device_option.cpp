// Names of devices, and which of them can be used.
#include "tools/cli/device_option.h"

#include <algorithm>
#include <cctype>
#include <iostream>

#include "engine/conv_algorithm.h"
#include "engine/plan_choice.h"
#include "tools/cli/option_table.h"
#include "tools/cli/plan_cache.h"

namespace md {
std::string is_device_name(const std::string& name) {
  const std::string number = name.starts_with("cuda:") ? name.substr(5) : "";
  const bool gpu = !number.empty() && number.size() <= 3 &&
                   std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c); });
  return gpu || name == "auto" || name == "cpu" || name == "cuda"
             ? ""
             : cat("'", name, "' is not auto, cpu, cuda or cuda:N");
}

void add_device_options(OptionTable& table, DeviceOptions& o) {
  table.add("device", o.name, "what to compute on: cpu, cuda, cuda:N, or auto: a GPU if there is one",
            CLI::Validator(is_device_name, ""));
  table.add("tf32", o.tf32,
            "let GPUs round the factors of products to TF32, three digits instead of seven: another name of "
            "--precision tf32");
  table.add(
      "exact-convolutions", o.exact_convolutions,
      "on the CPU, multiply convolutions out instead of by Winograd's algorithm, which is about twice as fast and "
      "rounds more often");
  table.add(
      "deterministic-plans", o.deterministic_plans,
      "on a GPU, take for each convolution the plan that cuDNN proposes first, and time none; runs that choose for "
      "themselves agree bit for bit then, and are slower");
}

void add_precision_option(OptionTable& table, DeviceOptions& o) {
  table.add_choice<Precision>(
      "precision", o.precision, {{"f32", Precision::f32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}},
      "f32; tf32: GPUs round the factors of products to three digits instead of seven, which is several times faster; "
      "or bf16, on CPUs that have instructions for it and GPUs from Ampere on: maps of half the size and products of "
      "two to three digits; weights, their gradients, losses and depth stay f32");
}

Device choose_device(const DeviceOptions& o) {
  choose_conv_algorithm(o.exact_convolutions ? ConvAlgorithm::direct : ConvAlgorithm::fastest);
  choose_plans({.timed = !o.deterministic_plans, .folder = plan_cache_folder(), .say = [](const std::string& line) {
                  std::cerr << line << std::endl;
                }});
  const bool bf16 = o.precision == Precision::bf16;
  if (o.name == "cpu" || (o.name == "auto" && cuda_device_names().empty())) {
    const Device cpu{Device::cpu, 0, bf16 ? Precision::bf16 : Precision::f32};
    backend(cpu);
    return cpu;
  }
  const int index = o.name.starts_with("cuda:") ? std::stoi(o.name.substr(5)) : 0;
  const Device gpu{Device::cuda, index, o.tf32 && !bf16 ? Precision::tf32 : o.precision};
  try {
    backend(gpu);
  } catch (const Error& error) {
    if (o.name != "auto" || bf16) throw;
    std::cerr << "no usable GPU: " << error.what() << "; computing on the CPU" << std::endl;
    return {};
  }
  return gpu;
}

}  // namespace md
