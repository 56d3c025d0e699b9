// NCCL's functions as the engine calls them, for emulated GPUs of several processes: MPI carries what they move, when
// the stream comes to it. A sum is made rank by rank around the ring, as the pinned algorithm has it.
#include <mpi.h>
#include <nccl.h>

#include <cstring>
#include <functional>
#include <vector>

#include "tests/cuda/doubles.h"
#include "tests/cuda/gpu.h"

struct ncclComm {
  MPI_Comm mpi;
  int rank, size;
};

namespace md::doubles {
namespace {

/// What has been asked for since the outermost ncclGroupStart, and is begun together at its end.
struct Group {
  int depth = 0;
  struct Part {
    bool sends;
    void* data;
    int bytes, peer;
    ncclComm* comm;
  };
  std::vector<Part> parts;
  cudaStream_t stream = nullptr;
} group;

ncclResult_t add(const Group::Part& part, cudaStream_t stream) {
  if (group.depth == 0) return ncclInvalidUsage;
  group.parts.push_back(part);
  group.stream = stream;
  return ncclSuccess;
}

void run(const std::vector<Group::Part>& parts) {
  std::vector<MPI_Request> requests;
  for (const Group::Part& p : parts) {
    requests.emplace_back();
    if (p.sends) {
      MPI_Isend(p.data, p.bytes, MPI_BYTE, p.peer, 0, p.comm->mpi, &requests.back());
    } else {
      MPI_Irecv(p.data, p.bytes, MPI_BYTE, p.peer, 0, p.comm->mpi, &requests.back());
    }
  }
  MPI_Waitall(int(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
}

void ring_sum(const float* from, float* to, std::size_t n, const ncclComm& comm) {
  std::vector<float> all(n * std::size_t(comm.size));
  MPI_Allgather(from, int(n), MPI_FLOAT, all.data(), int(n), MPI_FLOAT, comm.mpi);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = all[i];
    for (std::size_t r = 1; r < std::size_t(comm.size); ++r) sum += all[r * n + i];
    to[i] = sum;
  }
}

}  // namespace
}  // namespace md::doubles

using namespace md::doubles;  // NOLINT: a file of functions that belong to no namespace

extern "C" {

const char* ncclGetErrorString(ncclResult_t) { return "a failure that a test asked for"; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (fails("ncclGetUniqueId")) return ncclSystemError;
  std::memset(id, 7, sizeof *id);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank) {
  if (fails("ncclCommInitRank")) return ncclSystemError;
  if (id.internal[0] != 7) return ncclInvalidArgument;
  auto made = new ncclComm{MPI_COMM_NULL, rank, size};
  MPI_Comm_dup(MPI_COMM_WORLD, &made->mpi);
  *comm = made;
  return ncclSuccess;
}

// What a stream has yet to come to needs it still.
ncclResult_t ncclCommDestroy(ncclComm_t) { return ncclSuccess; }
ncclResult_t ncclCommAbort(ncclComm_t) { return ncclSuccess; }

ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = ncclSuccess;
  return fails("ncclCommGetAsyncError") ? ncclSystemError : ncclSuccess;
}

ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  if (fails("ncclAllGather")) return ncclSystemError;
  if (type != ncclUint8) return ncclInvalidArgument;
  stream->work->push([=] {
    MPI_Allgather(from, int(count), MPI_BYTE, to, int(count), MPI_BYTE, comm->mpi);
    return cudaSuccess;
  });
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  if (fails("ncclAllReduce")) return ncclSystemError;
  if (type != ncclFloat || op != ncclSum) return ncclInvalidArgument;
  stream->work->push([=] {
    ring_sum(static_cast<const float*>(from), static_cast<float*>(to), count, *comm);
    return cudaSuccess;
  });
  return ncclSuccess;
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (fails("ncclSend")) return ncclSystemError;
  return add({true, const_cast<void*>(data), int(count), peer, comm}, stream);
}

ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm, cudaStream_t stream) {
  if (fails("ncclRecv")) return ncclSystemError;
  return add({false, data, int(count), peer, comm}, stream);
}

ncclResult_t ncclGroupStart() {
  if (fails("ncclGroupStart")) return ncclSystemError;
  ++group.depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  const bool refused = fails("ncclGroupEnd");
  const Group ended = group;
  if (--group.depth > 0) return ncclSuccess;
  group = {};
  if (refused) return ncclSystemError;
  if (!ended.parts.empty()) ended.stream->work->push([parts = ended.parts] { return run(parts), cudaSuccess; });
  return ncclSuccess;
}

}  // extern "C"
