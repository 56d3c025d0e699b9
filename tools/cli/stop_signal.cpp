// The handlers, and the one variable that they may write.
#include "tools/cli/stop_signal.h"

#include <array>
#include <csignal>

namespace md {
namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t caught_signal = 0;

/// A handler, or SIG_DFL, for every signal of the list but an ignored SIGHUP.
void handle_with(void (*handler)(int)) {
  for (const int signal : kStopSignals) {
    if (std::signal(signal, handler) == SIG_IGN && signal == SIGHUP) std::signal(signal, SIG_IGN);
  }
}

void note(int signal) {
  caught_signal = signal;
  handle_with(SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  caught_signal = 0;
  handle_with(note);
}

StopSignal::~StopSignal() { handle_with(SIG_DFL); }

int StopSignal::caught() { return caught_signal; }

}  // namespace md
