// The seam between the program and libprosodia_cuda.so, which alone links CUDA and NCCL and is opened at run time.
//
// Callers: make_nccl_collective (the program side) and collective_nccl.cc (the library side). Both sides come from one
// build. Thread rule: one thread. Failure rule: a failed or timed-out operation has already aborted the communicator on
// this rank; the caller ends the process, which makes the peers' watchdogs fire.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "data/base/status.h"

namespace prosodia {

inline constexpr size_t kNcclIdBytes = 128;

struct NcclBootstrap {
  int rank = 0, size = 1, device = 0;
  int64_t deadline_ms = 600'000;
  std::array<char, kNcclIdBytes> id{};  // rank 0's, the same on all ranks
};

// Device memory; complete on return. Same meaning as Collective's functions of that name.
class DeviceCommunicator {
 public:
  virtual ~DeviceCommunicator() = default;
  virtual Status reduce_scatter_sum(float* values, size_t count) = 0;
  virtual Status all_gather(float* values, size_t count) = 0;
  virtual void set_deadline(int64_t deadline_ms) = 0;
  virtual void abort() = 0;
};

// The two functions that the library exports, by name. They write *status, and on OK the other result.
using NewNcclId = void (*)(std::array<char, kNcclIdBytes>* id, Status* status);
using NewDeviceCommunicator = void (*)(const NcclBootstrap* bootstrap, DeviceCommunicator** communicator,
                                       Status* status);  // the caller owns *communicator
inline constexpr const char* kNewNcclId = "prosodia_new_nccl_id";
inline constexpr const char* kNewDeviceCommunicator = "prosodia_new_device_communicator";

}  // namespace prosodia
