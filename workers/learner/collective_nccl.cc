// Built into libprosodia_cuda.so only. Compiles and links; has not run on a GPU.
//
// NCCL never finishes a stuck operation by itself, so the communicator is non-blocking and every call is followed by a
// watchdog loop: it polls the stream and NCCL's asynchronous error, and aborts the communicator when either fails or
// the deadline passes. Sums follow NCCL's ring order: deterministic for one topology and number of ranks, not rank
// order.
#include "workers/learner/collective_nccl.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "workers/learner/collective.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;

Status cuda_status(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  return fail(ErrorCode::kUnavailable, "CUDA {}: {}", what, cudaGetErrorString(error));
}

class NcclCommunicator final : public DeviceCommunicator {
 public:
  explicit NcclCommunicator(const NcclBootstrap& bootstrap) : bootstrap_(bootstrap) {}
  ~NcclCommunicator() override {
    if (communicator_) {
      ncclCommFinalize(communicator_);
      if (wait_ready("finalize"))
        ncclCommDestroy(communicator_);
      else
        abort();
    }
    if (ready_) cudaEventDestroy(ready_);
    if (stream_) cudaStreamDestroy(stream_);
  }

  Status connect() {
    PROSODIA_TRY(cuda_status(cudaSetDevice(bootstrap_.device), "cudaSetDevice"));
    PROSODIA_TRY(cuda_status(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"));
    PROSODIA_TRY(cuda_status(cudaEventCreateWithFlags(&ready_, cudaEventDisableTiming), "cudaEventCreate"));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclUniqueId id;
    static_assert(sizeof(id.internal) == kNcclIdBytes);
    std::memcpy(id.internal, bootstrap_.id.data(), kNcclIdBytes);
    const ncclResult_t result = ncclCommInitRankConfig(&communicator_, bootstrap_.size, id, bootstrap_.rank, &config);
    return settle(result, "communicator start");
  }

  Status reduce_scatter_sum(float* values, size_t count) override {
    const Shard mine = shard(count, bootstrap_.rank);
    if (count % static_cast<size_t>(bootstrap_.size) == 0)
      return run("reduce_scatter", [&] {
        return ncclReduceScatter(values, values + mine.begin, mine.size(), ncclFloat, ncclSum, communicator_, stream_);
      });
    return run("reduce_scatter", [&] {
      return for_each_shard(count, [&](int root, Shard part) {
        return ncclReduce(values + part.begin, values + part.begin, part.size(), ncclFloat, ncclSum, root,
                          communicator_, stream_);
      });
    });
  }

  Status all_gather(float* values, size_t count) override {
    const Shard mine = shard(count, bootstrap_.rank);
    if (count % static_cast<size_t>(bootstrap_.size) == 0)
      return run("all_gather", [&] {
        return ncclAllGather(values + mine.begin, values, mine.size(), ncclFloat, communicator_, stream_);
      });
    return run("all_gather", [&] {
      return for_each_shard(count, [&](int root, Shard part) {
        return ncclBroadcast(values + part.begin, values + part.begin, part.size(), ncclFloat, root, communicator_,
                             stream_);
      });
    });
  }

  void set_deadline(int64_t deadline_ms) override { bootstrap_.deadline_ms = deadline_ms; }

  void abort() override {
    if (communicator_) ncclCommAbort(communicator_);
    communicator_ = nullptr;
  }

 private:
  // As shard_of in collective.cc, which this library does not link.
  Shard shard(size_t count, int rank) const {
    const auto size = static_cast<size_t>(bootstrap_.size);
    const size_t part = (count + size - 1) / size, begin = std::min(count, part * static_cast<size_t>(rank));
    return {begin, std::min(count, begin + part)};
  }

  ncclResult_t for_each_shard(size_t count, const std::function<ncclResult_t(int, Shard)>& call) {
    ncclResult_t result = ncclGroupStart();
    for (int root = 0; root < bootstrap_.size && (result == ncclSuccess || result == ncclInProgress); ++root)
      if (const Shard part = shard(count, root); part.size() > 0) result = call(root, part);
    const ncclResult_t end = ncclGroupEnd();
    return result == ncclSuccess || result == ncclInProgress ? end : result;
  }

  // Waits for the default stream's work, enqueues, then watches until the operation is complete.
  Status run(const char* what, const std::function<ncclResult_t()>& enqueue) {
    if (!communicator_) return fail(ErrorCode::kUnavailable, "NCCL {}: the communicator was aborted", what);
    PROSODIA_TRY(cuda_status(cudaEventRecord(ready_, nullptr), what));
    PROSODIA_TRY(cuda_status(cudaStreamWaitEvent(stream_, ready_, 0), what));
    PROSODIA_TRY(settle(enqueue(), what));
    return wait_stream(what);
  }

  // The result of a non-blocking call: fine, an error, or in progress until the communicator says otherwise.
  Status settle(ncclResult_t result, const char* what) {
    if (result != ncclSuccess && result != ncclInProgress) return broken(what, ncclGetErrorString(result));
    return wait_ready(what);
  }

  Status wait_ready(const char* what) {
    return watch(what, [&]() -> Result<bool> {
      ncclResult_t state = ncclSuccess;
      const ncclResult_t asked = ncclCommGetAsyncError(communicator_, &state);
      if (asked != ncclSuccess) return broken(what, ncclGetErrorString(asked));
      if (state != ncclSuccess && state != ncclInProgress) return broken(what, ncclGetErrorString(state));
      return state == ncclSuccess;
    });
  }

  Status wait_stream(const char* what) {
    return watch(what, [&]() -> Result<bool> {
      ncclResult_t state = ncclSuccess;
      if (ncclCommGetAsyncError(communicator_, &state) != ncclSuccess ||
          (state != ncclSuccess && state != ncclInProgress))
        return broken(what, ncclGetErrorString(state));
      const cudaError_t query = cudaStreamQuery(stream_);
      if (query == cudaErrorNotReady) return false;
      if (query != cudaSuccess) return broken(what, cudaGetErrorString(query));
      return true;
    });
  }

  Status watch(const char* what, const std::function<Result<bool>()>& done) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(bootstrap_.deadline_ms);
    const auto spin_until = Clock::now() + std::chrono::milliseconds(1);
    while (true) {
      PROSODIA_ASSIGN(const bool finished, done());
      if (finished) return {};
      const auto now = Clock::now();
      if (bootstrap_.deadline_ms > 0 && now > deadline) return broken(what, "no progress before the deadline");
      if (now > spin_until) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

  tl::unexpected<Error> broken(const char* what, const char* why) {
    abort();
    return fail(ErrorCode::kUnavailable,
                "NCCL {} on rank {}: {}. Next: the learner group ends and restarts from its last checkpoint", what,
                bootstrap_.rank, why);
  }

  NcclBootstrap bootstrap_;
  ncclComm_t communicator_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t ready_ = nullptr;
};

}  // namespace

extern "C" {

void prosodia_new_nccl_id(std::array<char, kNcclIdBytes>* id, Status* status) {
  ncclUniqueId unique;
  const ncclResult_t result = ncclGetUniqueId(&unique);
  if (result != ncclSuccess) {
    *status = fail(ErrorCode::kUnavailable, "NCCL cannot make a communicator id: {}", ncclGetErrorString(result));
    return;
  }
  std::memcpy(id->data(), unique.internal, kNcclIdBytes);
  *status = {};
}

void prosodia_new_device_communicator(const NcclBootstrap* bootstrap, DeviceCommunicator** communicator,
                                      Status* status) {
  auto made = std::make_unique<NcclCommunicator>(*bootstrap);
  *status = made->connect();
  *communicator = *status ? made.release() : nullptr;
}

}  // extern "C"
}  // namespace prosodia
