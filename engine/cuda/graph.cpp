// CUDA graphs of what the compute stream is asked for. A graph owns the memory that its work had, so that nobody finds
// it overwritten: what the work let go, and what still has an owner when that lets it go.
#include <utility>

#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/runtime.h"

namespace md {

/// An executable graph, and what it must have.
class CudaBackend::Graph final : public WorkGraph {
 public:
  explicit Graph(Pool& pool) : pool_(pool) {}
  ~Graph() override {
    if (executable_) {
      cudaStreamSynchronize(cuda::runtime().compute);  // it may be running
      cudaGraphExecDestroy(executable_);
    }
    if (memory_) pool_.take_back(memory_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void launch() override { MD_CUDA(cudaGraphLaunch(executable_, cuda::runtime().compute)); }

 private:
  friend class CudaBackend;
  Pool& pool_;
  cudaGraphExec_t executable_ = nullptr;
  const Pool::Aside* memory_ = nullptr;
  std::vector<std::shared_ptr<const void>> kept_;
};

/// While it lives, the compute stream writes down what it is asked for, and the pool what it hands out.
class CudaBackend::Capture {
 public:
  Capture(CudaBackend& on, Graph& into) : on_(on), into_(into) {
    MD_CUDA(cudaStreamBeginCapture(cuda::runtime().compute, cudaStreamCaptureModeThreadLocal));
    on_.pool_.watch();
    on_.kept_ = &into_.kept_;
  }
  ~Capture() {
    if (std::exchange(on_.kept_, nullptr)) {
      cudaStreamEndCapture(cuda::runtime().compute, &graph_);
      cudaGetLastError();  // it failed, as the work has said
    }
    if (graph_) cudaGraphDestroy(graph_);
    on_.pool_.forget();
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Makes it a graph.
  void end() {
    on_.kept_ = nullptr;
    MD_CUDA(cudaStreamEndCapture(cuda::runtime().compute, &graph_));
    MD_CUDA(cudaGraphInstantiate(&into_.executable_, graph_, 0));
    into_.memory_ = on_.pool_.set_aside();
  }

 private:
  CudaBackend& on_;
  Graph& into_;
  cudaGraph_t graph_ = nullptr;
};

std::unique_ptr<WorkGraph> CudaBackend::capture(const std::function<void()>& work) {
  MD_CHECK(!capturing(), "capture: another one is going on");
  auto graph = std::make_unique<Graph>(pool_);
  Capture capture(*this, *graph);
  work();
  capture.end();
  return graph;
}

void CudaBackend::keep_for_graph(const std::shared_ptr<const void>& it) {
  if (kept_) kept_->push_back(it);
}

void CudaBackend::refuse_in_capture(const char* what) const {
  if (capturing()) fail(ErrorKind::no_device, "device cuda: work that is captured in a graph ", what);
}

}  // namespace md
