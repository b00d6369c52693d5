// Frames: the unit of everything that crosses a control or bulk socket. Byte grammar: README.md beside this file.
//
// Called by: transport, WorkerClient, the coordinator, the simulation. Thread rule: pure functions, any thread.
// Failure rule: bytes from the network never abort. A frame that is too short, too long, of another protocol, or whose
// CRC-32C does not match comes back as an Error and nothing is allocated on its behalf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/ids.h"
#include "data/base/status.h"

namespace prosodia::protocol {

inline constexpr uint32_t kFrameMagic = 0x31505250;  // "PRP1" in the byte stream
inline constexpr uint16_t kFrameVersion = 1;         // layout of the header below
inline constexpr size_t kFrameHeaderBytes = 52;

// Versions of the message set that this program speaks; Hello and Welcome settle on one.
inline constexpr uint16_t kProtocolMin = 1;
inline constexpr uint16_t kProtocolMax = 1;

// Upper bounds of one payload. What a worker may send is small; a step batch to the learner may be large.
inline constexpr size_t kMaxPayloadFromWorker = size_t{64} << 20;
inline constexpr size_t kMaxPayloadFromCoordinator = size_t{512} << 20;

enum class MessageType : uint16_t {
  // worker -> coordinator
  kHello = 1,
  kHeartbeat = 2,
  kRolloutResult = 3,
  kRewardResult = 4,
  kTaskFailed = 5,
  kWeightsReady = 6,
  kStepDone = 7,
  kCheckpointCommitted = 8,
  kGoodbye = 9,
  // coordinator -> worker
  kWelcome = 32,
  kReject = 33,
  kHelloRequest = 34,
  kPing = 35,
  kTaskRollout = 36,
  kTaskReward = 37,
  kStepBatch = 38,
  kCheckpointRequest = 39,
  kResultAck = 40,
  kRefused = 41,
  kShutdown = 42,
  kCancelLease = 43,
  // bulk channel
  kGetWeights = 64,
  kWeightsChunk = 65,
  kWeightsMissing = 66,
};
std::string_view name(MessageType type);  // "Hello"; "unknown" for other values

struct FrameHeader {
  MessageType type{};
  uint32_t flags = 0;        // none defined; a receiver refuses bits it does not know
  RunId run_id;              // 0 in the first Hello: the worker does not know it yet
  WorkerEpoch sender_epoch;  // worker: its process epoch. Coordinator: its life (1, 2, … counted in the journal)
  LeaseId lease_id;          // the lease a task grants or a result answers; 0 = none
  uint64_t seq = 0;          // per sender, from 1; a result that is resent keeps its seq, and the ack names it
};

struct Frame {
  FrameHeader header;
  std::vector<std::byte> payload;
};

// A frame whose payload still lies in the received buffer.
struct FrameView {
  FrameHeader header;
  std::span<const std::byte> payload;
};

std::vector<std::byte> encode_frame(const FrameHeader& header, std::span<const std::byte> payload);

// kInvalidInput: a frame of another release (header version, flags, type), or longer than `max_payload`.
// kCorruption: not our protocol, truncated, trailing bytes, or wrong CRC. The view points into `bytes`.
Result<FrameView> decode_frame(std::span<const std::byte> bytes, size_t max_payload);

}  // namespace prosodia::protocol
