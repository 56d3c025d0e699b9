// --device, --precision, --tf32, --exact-convolutions and --deterministic-plans: on what a program computes, and how
// exactly.
#pragma once
#include <string>

#include "engine/backend.h"

namespace md {

class OptionTable;

/// What these options ask for.
struct DeviceOptions {
  std::string name = "auto";         // "auto", "cpu", "cuda" or "cuda:N"
  bool tf32 = false;                 // as Precision::tf32 below, beside f32
  bool exact_convolutions = false;   // the CPU computes without Winograd's algorithm; a GPU's library chooses anyway
  bool deterministic_plans = false;  // a GPU times no plans of convolutions (engine/plan_choice.h)
  Precision precision = Precision::f32;  // tf32: a GPU's; the CPU computes in f32 then
};

/// Empty for "auto", "cpu", "cuda" and "cuda:N", else what is wrong with the name.
std::string is_device_name(const std::string& name);

/// --device, --tf32, --exact-convolutions and --deterministic-plans.
void add_device_options(OptionTable&, DeviceOptions&);
/// --precision.
void add_precision_option(OptionTable&, DeviceOptions&);

/// Chooses how convolutions are multiplied and planned, for the process, and the device:
/// "auto" takes the first GPU, or the CPU where there is none that can be used, and says so on stderr. Throws
/// ErrorKind::no_device where a GPU that was asked for cannot be used, or the device does not compute in bf16.
Device choose_device(const DeviceOptions&);

}  // namespace md
