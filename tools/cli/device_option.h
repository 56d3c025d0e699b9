// --device and --tf32: on what a program computes.
#pragma once
#include <string>

#include "engine/backend.h"

namespace md {

class OptionTable;

/// What --device and --tf32 ask for.
struct DeviceOptions {
  std::string name = "auto";  // "auto", "cpu", "cuda" or "cuda:N"
  bool tf32 = false;          // a GPU computes with Precision::tf32; the CPU with f32 anyway
};

/// Empty for "auto", "cpu", "cuda" and "cuda:N", else what is wrong with the name.
std::string is_device_name(const std::string& name);

/// --device and --tf32.
void add_device_options(OptionTable&, DeviceOptions&);

/// "auto" takes the first GPU, or the CPU where there is none that can be used, and says so on stderr. Throws
/// ErrorKind::no_device where a GPU that was asked for cannot be used.
Device choose_device(const DeviceOptions&);

}  // namespace md
