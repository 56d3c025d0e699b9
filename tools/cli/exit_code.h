// What a process ends with.
#pragma once
#include "engine/check.h"

namespace md {

/// Exit codes of the tools: sysexits' numbers where one fits.
enum class Exit : int {
  ok = 0,
  usage = 2,           // unknown flag, bad value
  bad_data = 65,       // a file that is there but wrong
  missing_input = 66,  // a file that is not there
  no_device = 69,      // no usable GPU, or a processor that lacks what was asked of it
  numeric = 70,        // non-finite values, or an internal contract broken
  cannot_write = 73,   // output refused
  stopped = 75,        // signal, with a checkpoint
};

/// What a process ends with that such an error ends.
constexpr Exit exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return Exit::usage;
    case ErrorKind::bad_data:
      return Exit::bad_data;
    case ErrorKind::missing:
      return Exit::missing_input;
    case ErrorKind::no_device:
      return Exit::no_device;
    case ErrorKind::cannot_write:
      return Exit::cannot_write;
    case ErrorKind::not_finite:
    case ErrorKind::contract:
      return Exit::numeric;
  }
  return Exit::numeric;
}

}  // namespace md
