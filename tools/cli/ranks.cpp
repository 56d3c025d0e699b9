// Whoever fails tells the others and waits; rank 0 has saved what is done by the time it prints the line, and then ends
// the job.
#include "tools/cli/ranks.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <new>
#include <streambuf>
#include <thread>

#include "tools/cli/cli.h"

namespace md {
namespace {

/// Takes everything and keeps nothing.
class Nowhere : public std::streambuf {
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
};

/// Runs `work`; where it throws, what of: an ErrorElsewhere as one.
template <class Work>
std::exception_ptr error_of(const Work& work) {
  try {
    work();
  } catch (const Error&) {
    return std::current_exception();
  } catch (const std::bad_alloc&) {
    return std::make_exception_ptr(Error(ErrorKind::contract, "out of memory (a smaller --batch needs less)"));
  } catch (const std::exception& error) {
    return std::make_exception_ptr(Error(ErrorKind::contract, cat("internal: ", error.what())));
  }
  return nullptr;
}

/// Rank 0's line of an error, in one piece: the launcher, which prints it, writes lines of its own at the same time.
void say(const std::string& program, const Communicator& ranks, const Error& error) {
  if (ranks.rank() == 0) std::cerr << cat(program, ": error: ", one_line(error.what()), "\n") << std::flush;
}

/// Ends all ranks with the exit code of the error.
[[noreturn]] void end_all(const std::string& program, Communicator& ranks, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ErrorElsewhere& error) {
    say(program, ranks, error);
    if (ranks.rank() == 0) ranks.abort(int(exit_code(error.kind())));
  } catch (const Error& error) {
    const Error named(error.kind(), cat(name_of(ranks), ": ", error.what()));
    say(program, ranks, named);
    ranks.tell_others(named);
    if (ranks.rank() == 0) ranks.abort(int(exit_code(error.kind())));
  }
  // Rank 0 saves, and ends this process with all others. Where it cannot, somebody must.
  std::this_thread::sleep_for(std::chrono::seconds(60));
  ranks.abort(int(Exit::numeric));
  std::_Exit(int(Exit::numeric));
}

}  // namespace

Exit on_ranks(const std::string& program, double wait_limit_s, const std::function<Exit(Communicator&)>& work) {
  const std::unique_ptr<Communicator> ranks = join_ranks(wait_limit_s);
  if (ranks->size() == 1) return work(*ranks);
  Exit end = Exit::ok;
  if (const std::exception_ptr thrown = error_of([&] { end = work(*ranks); })) end_all(program, *ranks, thrown);
  return end;
}

DeviceOptions device_of_rank(DeviceOptions options, const Communicator& ranks) {
  const auto gpus = int(cuda_device_names().size());
  const bool open = options.name == "cuda" || options.name == "auto";
  if (ranks.size() > 1 && open && gpus > 0) options.name = cat("cuda:", ranks.rank_on_host() % gpus);
  return options;
}

void silence_other_ranks() {
  static Nowhere nowhere;
  if (launched_rank() == 0) return;
  std::cout.rdbuf(&nowhere);
  std::cerr.rdbuf(&nowhere);
}

void require_one_process() {
  if (const int size = launched_size(); size > 1)
    fail(ErrorKind::usage, "a launcher has started ", size, " processes of this command, which is for one");
}

}  // namespace md
