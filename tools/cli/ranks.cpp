// Whoever fails tells the others and waits; rank 0 has saved what is done by the time it prints the line, and then ends
// the job.
#include "tools/cli/ranks.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <streambuf>
#include <thread>

#include "tools/cli/cli.h"

namespace md {
namespace {

/// Takes everything and keeps nothing.
class Nowhere : public std::streambuf {
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
};

/// Ends all ranks with the exit code of the error, of which the others have heard.
[[noreturn]] void end_all(Communicator& ranks, const Error& error) {
  if (ranks.rank() == 0) ranks.abort(int(exit_code(error.kind())));
  // Rank 0 saves, and ends this process with all others. Where it cannot, somebody must.
  std::this_thread::sleep_for(std::chrono::seconds(60));
  ranks.abort(int(Exit::numeric));
  std::_Exit(int(Exit::numeric));
}

}  // namespace

Exit on_ranks(const std::string& program, double wait_limit_s, const std::function<Exit(Communicator&)>& work) {
  const std::unique_ptr<Communicator> ranks = join_ranks(wait_limit_s);
  if (ranks->size() == 1) return work(*ranks);
  const bool speaks = ranks->rank() == 0;
  try {
    return work(*ranks);
  } catch (const ErrorElsewhere& error) {
    if (speaks) print_error(program, error.what());
    end_all(*ranks, error);
  } catch (const std::exception&) {
    const Error error = caught_error(), named(error.kind(), cat(name_of(*ranks), ": ", error.what()));
    if (speaks) print_error(program, named.what());
    ranks->tell_others(named);
    end_all(*ranks, named);
  }
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
