// Names of devices, and which of them can be used.
#include "tools/cli/device_option.h"

#include <iostream>
#include <regex>

#include "engine/conv_algorithm.h"
#include "tools/cli/option_table.h"

namespace md {
std::string is_device_name(const std::string& name) {
  static const std::regex known("auto|cpu|cuda(:[0-9]{1,3})?");
  return std::regex_match(name, known) ? "" : cat("'", name, "' is not auto, cpu, cuda or cuda:N");
}

void add_device_options(OptionTable& table, DeviceOptions& o) {
  table.add("device", o.name, "what to compute on: cpu, cuda, cuda:N, or auto: a GPU if there is one",
            CLI::Validator(is_device_name, ""));
  table.add("tf32", o.tf32,
            "let GPUs round the factors of products to TF32: several times faster, three digits instead of seven");
  table.add(
      "exact-convolutions", o.exact_convolutions,
      "on the CPU, multiply convolutions out instead of by Winograd's algorithm, which is about twice as fast and "
      "rounds more often");
}

Device choose_device(const DeviceOptions& o) {
  choose_conv_algorithm(o.exact_convolutions ? ConvAlgorithm::direct : ConvAlgorithm::fastest);
  if (o.name == "cpu" || (o.name == "auto" && cuda_device_names().empty())) return {};
  const int index = o.name.starts_with("cuda:") ? std::stoi(o.name.substr(5)) : 0;
  const Device gpu{Device::cuda, index, o.tf32 ? Precision::tf32 : Precision::f32};
  try {
    backend(gpu);
  } catch (const Error& error) {
    if (o.name != "auto") throw;
    std::cerr << "no usable GPU: " << error.what() << "; computing on the CPU" << std::endl;
    return {};
  }
  return gpu;
}

}  // namespace md
