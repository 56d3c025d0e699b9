// How far long work is, on a terminal.
#pragma once
#include <string>

#include "engine/tensor.h"

namespace md {

/// One line on stderr that is redrawn in place. Shows nothing unless stderr is a terminal; erased on destruction.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  bool visible() const { return visible_; }
  void show(const std::string& text);  // at most about ten times a second
  void clear();                        // call before printing anything else on the terminal

 private:
  bool visible_;
  bool drawn_ = false;
  double last_s_ = 0;
};

/// "3.4 img/s  ETA 3:09" (minutes and seconds): `done` of `total` images took so many seconds.
std::string rate_and_eta(i64 done, i64 total, double seconds);

}  // namespace md
