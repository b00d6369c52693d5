// Collective: what the learner ranks need from each other, behind one interface. Implementations: one rank (no
// library), MPI (CPU), NCCL (GPU tensors; opened from libprosodia_cuda.so, see make_nccl_collective).
//
// Callers: grpo_step, sft, checkpoint, learner. Thread rule: one thread per Collective. Every rank calls the same
// functions in the same order with the same sizes.
// Failure rule: a call that fails on one rank leaves the group unusable; the caller ends the process through abort(),
// which brings every rank down. Nothing waits forever for a rank that is gone: mpirun's default flags end the group
// when a rank dies, and a call that exceeds its deadline returns kUnavailable. Determinism: sums are taken in rank
// order (((r0 + r1) + r2) …), so the bits depend on the number of ranks only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// Rank r's equal part of n elements: [begin, end); the last parts may be shorter or empty.
struct Shard {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};
Shard shard_of(size_t count, int rank, int num_ranks);

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Host memory. The same bytes on every rank afterwards; all ranks pass the same size.
  virtual Status broadcast(std::span<std::byte> bytes, int root) = 0;
  // Element-wise sums on every rank. Host memory; for small things (metrics, counts).
  virtual Status all_reduce_sum(std::span<double> values) = 0;
  virtual Status barrier() = 0;

  // Tensors: host memory for one rank and MPI, device memory for NCCL.
  // After reduce_scatter_sum, values[shard_of(n, rank)] holds the sum; the rest is unspecified.
  virtual Status reduce_scatter_sum(std::span<float> values) = 0;
  // Before: rank r's own shard is filled. After: all shards are, on every rank.
  virtual Status all_gather(std::span<float> values) = 0;
  Status all_reduce_sum(std::span<float> values);  // the two above: same bits on every rank

  // From now on a call that waits longer returns kUnavailable; 0 = no limit. Of this rank alone.
  virtual void set_deadline(std::chrono::milliseconds deadline) = 0;

  // Ends every rank of the group, with this exit code, from any state. Does not return.
  [[noreturn]] virtual void abort(int exit_code, std::string_view reason) = 0;

  // A byte string of rank `root`, whose size the others do not know.
  Status broadcast_bytes(std::vector<std::byte>& bytes, int root);
  // The first rank's error, told to every rank: after this either all ranks go on or all return the same error.
  Status agree(const Status& mine);
};

std::unique_ptr<Collective> single_rank_collective();

struct MpiOptions {
  std::chrono::milliseconds deadline{600'000};  // the first; see set_deadline
  std::chrono::microseconds spin{50};           // busy-wait this long, then sleep between polls: a rank that waits for
  std::chrono::microseconds poll_sleep{200};    // the coordinator must not eat a core that samples
  size_t window_floats = size_t{1} << 20;       // elements a rank sends to one peer at a time: bounds extra memory
};

// Initialises MPI (MPI_THREAD_FUNNELED) at first use and finalises it when destroyed last. `communicator_handle` is an
// MPI_Comm as MPI_Comm_c2f integer, or -1 for MPI_COMM_WORLD; it is duplicated.
Result<std::unique_ptr<Collective>> make_mpi_collective(const MpiOptions& options = {}, int communicator_handle = -1);

// Under mpirun (or srun with PMI) with more than one rank: MPI; otherwise one rank, without touching MPI.
Result<std::unique_ptr<Collective>> make_collective(const MpiOptions& options = {});

struct NcclOptions {
  int device = 0;
  std::chrono::milliseconds deadline{600'000};  // the first; an operation that takes longer aborts the communicator
  std::string_view library = "libprosodia_cuda.so";
};
// Opens the CUDA library at run time and builds a NCCL communicator whose id travels over `host`, which also keeps
// serving the host-memory calls. kUnavailable when the library, a device or NCCL is missing, naming which.
Result<std::unique_ptr<Collective>> make_nccl_collective(std::unique_ptr<Collective> host, const NcclOptions& options);

}  // namespace prosodia
