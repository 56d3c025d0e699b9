// Signals that ask a long run to stop, which then finishes what it is at and saves.
#pragma once

namespace md {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP (a terminal that goes away) is only noted; the second, of any
/// kind, ends the program. A SIGHUP that is ignored, as under nohup, stays so. One at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The number of the signal that came since the last one began to live; 0: none.
  static int caught();
};

}  // namespace md
