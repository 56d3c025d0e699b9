// A carriage return, and the clearing of what stood there.
#include "tools/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "engine/printed.h"
#include "tools/cli/clock.h"

namespace md {

ProgressLine::ProgressLine() : visible_(isatty(STDERR_FILENO)) {}

void ProgressLine::show(const std::string& text) {
  if (!visible_ || now_s() - last_s_ < 0.1) return;
  last_s_ = now_s();
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  std::cerr << "\r\033[K" << text.substr(0, known ? size.ws_col - 1U : 79U) << std::flush;
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

std::string rate_and_eta(i64 done, i64 total, double seconds) {
  const double per_s = double(done) / std::max(seconds, 1e-9);
  const i64 left_s = done > 0 ? i64(double(total - done) / per_s) : 0;
  return printed("%.1f img/s  ETA %lld:%02lld", per_s, static_cast<long long>(left_s / 60),
                 static_cast<long long>(left_s % 60));
}

}  // namespace md
