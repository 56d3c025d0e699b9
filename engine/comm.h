// Communicator: the ranks of a job, one process each, that compute one run together. A library (MPI) starts them and
// moves bytes between them; whatever is added up is added here, in the order of the ranks. So the number of ranks alone
// fixes the bits of a sum, and not the library, its algorithms, the hosts or the time at which messages come.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/check.h"
#include "engine/tensor.h"

namespace md {

/// All calls but rank(), size() and host() are collective: every rank makes the same ones in the same order, with the
/// same sizes. They throw ErrorKind::contract, naming rank and host, where the others do not come within the time
/// limit, and what another rank failed with (tell_others), where one did. One thread at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const { return 0; }  // of this process, in [0, size)
  virtual int size() const { return 1; }
  virtual int rank_on_host() const { return 0; }            // among those on the same machine
  virtual std::string host() const { return "localhost"; }  // the machine's name

  // Small data of the host.
  /// What each rank gave, in their order.
  virtual std::vector<std::string> gather(const std::string& mine) { return {mine}; }
  /// Returns when all have come.
  void barrier() { gather(""); }

  // Tensors, dense and of equal sizes on all ranks.
  /// A tensor that goes to another rank, or that is written with what comes from there.
  struct Message {
    int rank;
    Tensor data;
  };
  /// all [size, ...] = what each rank gave, in their order.
  virtual void gather(const Tensor& mine, const Tensor& all) { all.reshape(mine.shape()).copy_from(mine); }
  /// Sends and receives; the messages between two ranks arrive in the order in which they were sent.
  virtual void exchange(const std::vector<Message>& sent, const std::vector<Message>& received);
  /// Begins numbers [n], f32, = their sum over all ranks; n is a multiple of sum_unit(). The numbers are the
  /// communicator's until finish_sums() returns, and other calls may come in between: sums have a way of their own.
  virtual void begin_sum(const Tensor& /*numbers*/) {}
  /// Returns when all sums that were begun are there: the same bits on every rank.
  virtual void finish_sums() {}
  i64 sum_unit() const { return i64(size()) * 16; }
  /// few [n] = their sum over all ranks, f32, added in double: for a handful of numbers.
  void sum(const Tensor& few);

  /// Seconds that finish_sums() had to wait, and that sums took from beginning to end, since the communicator was made.
  struct SumTimes {
    double waited_s = 0, total_s = 0;
    i64 bytes = 0;  // that were summed
  };
  virtual SumTimes sum_times() const { return {}; }

  /// Not collective: throws ErrorElsewhere where another rank has told of an error.
  virtual void throw_if_another_failed() {}
  /// Not collective: a rank that gives up says why, so that the others do too; waits until they have heard it.
  virtual void tell_others(const Error&) {}
  /// Not collective: ends all processes of the job.
  [[noreturn]] virtual void abort(int exit_code);
};

/// What another rank failed with: whoever catches it has nothing to tell.
class ErrorElsewhere : public Error {
 public:
  using Error::Error;
};

/// "rank 2 on node7".
std::string name_of(const Communicator&);

/// A job of this process alone.
Communicator& alone();

/// How many processes the launcher says that it has started (mpirun, srun), 1 without one; and which this is.
int launched_size();
int launched_rank();

/// The ranks as those of a GPU see them: by NCCL, which moves and adds what is there. Null where `ranks` do it as they
/// are: one rank, a CPU, or a program without NCCL, where it goes through the host's memory. `ranks` outlive it.
std::unique_ptr<Communicator> ranks_of_device(Device, Communicator& ranks, double limit_s);

/// The ranks of the job that a launcher has started, made in the first call; `limit_s` is how long they wait for each
/// other. Without a launcher alone(). Throws ErrorKind::usage where this program was built without MPI, or with
/// another one than the launcher's.
std::unique_ptr<Communicator> join_ranks(double limit_s);

}  // namespace md
