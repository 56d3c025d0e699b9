// What every communicator does alike, and the one of a process alone.
#include "engine/comm.h"

#include <array>
#include <cstdlib>

#include "engine/backend.h"

namespace md {

#ifdef MD_WITH_MPI
std::unique_ptr<Communicator> mpi_communicator(double limit_s);  // engine/mpi
#endif

#ifdef MD_WITH_NCCL
std::unique_ptr<Communicator> nccl_communicator(Communicator& host, double limit_s);  // engine/nccl
#endif

namespace {

/// The number in a variable of the environment; `otherwise` where it is not set.
int number_in(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

/// How launchers tell a process of its job: Open MPI's mpirun, MPICH's, Slurm's srun (and not its batch scripts).
struct Launcher {
  const char *size, *rank;
};
constexpr std::array kLaunchers = {Launcher{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                                   Launcher{"PMI_SIZE", "PMI_RANK"}, Launcher{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};

}  // namespace

void Communicator::exchange(const std::vector<Message>& sent, const std::vector<Message>& received) {
  for (std::size_t i = 0; i < sent.size(); ++i) received[i].data.copy_from(sent[i].data);
}

void Communicator::sum(const Tensor& few) {
  if (size() == 1) return;
  const Tensor all = Tensor::empty({size(), few.numel()}, few.device());
  gather(few, all);
  backend(few.device()).reduce_sum(all, {}, 1, size(), few.numel(), few);
}

void Communicator::abort(int exit_code) { std::_Exit(exit_code); }

std::string name_of(const Communicator& comm) { return cat("rank ", comm.rank(), " on ", comm.host()); }

Communicator& alone() {
  static Communicator one;
  return one;
}

std::unique_ptr<Communicator> ranks_of_device([[maybe_unused]] Device device, [[maybe_unused]] Communicator& ranks,
                                              [[maybe_unused]] double limit_s) {
#ifdef MD_WITH_NCCL
  if (device.kind == Device::cuda && ranks.size() > 1) return nccl_communicator(ranks, limit_s);
#endif
  return nullptr;
}

int launched_size() {
  for (const Launcher& launcher : kLaunchers) {
    if (const int size = number_in(launcher.size, 1); size > 1) return size;
  }
  return 1;
}

int launched_rank() {
  for (const Launcher& launcher : kLaunchers) {
    if (number_in(launcher.size, 1) > 1) return number_in(launcher.rank, 0);
  }
  return 0;
}

std::unique_ptr<Communicator> join_ranks([[maybe_unused]] double limit_s) {
  const int launched = launched_size();
  if (launched == 1) return std::make_unique<Communicator>();
#ifdef MD_WITH_MPI
  auto joined = mpi_communicator(limit_s);
  if (joined->size() != launched)
    fail(ErrorKind::usage, "a launcher has started ", launched, " processes, and MPI knows of ", joined->size(),
         ": it is not the launcher of the MPI that this program was built with (srun wants --mpi=pmix or --mpi=pmi2)");
  return joined;
#else
  fail(ErrorKind::usage, "a launcher has started ", launched,
       " processes, and this program was built without MPI, by which they would work together (cmake -DMD_MPI=ON)");
#endif
}

}  // namespace md
