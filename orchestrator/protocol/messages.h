// Messages: the payloads of frames. Plain structs; one `visit` function a message in messages.cc writes and reads it,
// so encoder and decoder cannot disagree. Byte grammar: README.md beside this file.
//
// Called by: workers, learner, coordinator, simulation. Thread rule: values; any thread.
// Failure rule: decode() never aborts and never allocates more than the payload justifies. Every list and string has a
// bound (Limits); a longer one, an enum out of range, or left-over bytes are kCorruption naming the message.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "data/base/status.h"
#include "orchestrator/protocol/frame.h"
#include "orchestrator/protocol/vocabulary.h"

namespace prosodia::protocol {

// ---------------------------------------------------------------------------------------------- worker -> coordinator

struct Hello {
  static constexpr MessageType kType = MessageType::kHello;
  Role role = Role::kRollout;
  std::string name;  // unique in the run, e.g. "rollout-3"
  uint16_t protocol_min = kProtocolMin;
  uint16_t protocol_max = kProtocolMax;
  Digest config_digest;  // of the resolved RUN/config.ini; must equal the coordinator's
  uint32_t slots = 1;    // leases the worker works on at a time (credits)
  // Learner only.
  std::vector<PolicyVersion> resumable;  // versions it can start from: its checkpoints, and 0 = the initial model
  std::vector<ServedVersion> served;     // versions in memory; non-empty: it is running and goes on from the newest
  std::string weights_endpoint;          // its BulkServer
};

struct Heartbeat {
  static constexpr MessageType kType = MessageType::kHeartbeat;
  struct Lease {
    LeaseId lease;
    uint64_t progress = 0;  // any counter that grows while work is done; growth renews the lease
  };
  std::vector<Lease> leases;  // queued, in work, or with a result not yet acknowledged
};

struct RolloutResult {
  static constexpr MessageType kType = MessageType::kRolloutResult;
  GroupId group_id;
  PolicyVersion policy_version;
  uint32_t prompt_token_count = 0;
  std::vector<Completion> completions;  // in sample-index order
  double seconds = 0;                   // compute time; not part of any digest
};

struct RewardResult {
  static constexpr MessageType kType = MessageType::kRewardResult;
  GroupId group_id;
  double tau = 1;
  double gate = 0;  // as in the task
  std::vector<ResponseScore> responses;
  double seconds = 0;  // compute time; not part of any digest
};

struct TaskFailed {
  static constexpr MessageType kType = MessageType::kTaskFailed;
  GroupId group_id;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

struct WeightsReady {
  static constexpr MessageType kType = MessageType::kWeightsReady;
  std::vector<ServedVersion> served;  // everything that the learner's BulkServer now serves, ascending
};

struct StepDone {
  static constexpr MessageType kType = MessageType::kStepDone;
  StepId step;
  PolicyVersion new_version;  // step + 1
  Digest batch_digest;        // echoed from the StepBatch
  Digest weights_digest;      // of new_version
  double loss = 0;            // its bits enter the run digest
  std::vector<std::pair<std::string, double>> metrics;
};

struct CheckpointCommitted {
  static constexpr MessageType kType = MessageType::kCheckpointCommitted;
  PolicyVersion version;  // the weights it holds; resuming from it trains step `version` next
  std::string path;
};

struct Goodbye {
  static constexpr MessageType kType = MessageType::kGoodbye;
  std::string reason;
};

// ---------------------------------------------------------------------------------------------- coordinator -> worker

struct Welcome {
  static constexpr MessageType kType = MessageType::kWelcome;
  RunId run_id;
  uint16_t protocol = kProtocolMax;  // chosen
  uint32_t heartbeat_ms = 1000;
  uint64_t life = 1;  // of the coordinator; grows with every restart
  // Learner only: the version to start from: one of Hello::resumable, or the newest of Hello::served.
  PolicyVersion resume_version;
};

enum class RejectCode : uint8_t {
  kProtocolVersion = 1,
  kConfigDigest = 2,
  kNameTaken = 3,
  kFull = 4,
  kBadHello = 5,
  kForeignRole = 6
};
struct Reject {
  static constexpr MessageType kType = MessageType::kReject;
  RejectCode code = RejectCode::kBadHello;
  std::string reason;  // what was expected, what was seen, what to do
};

// The coordinator does not know the sender (it restarted, or declared the worker dead): say Hello again.
struct HelloRequest {
  static constexpr MessageType kType = MessageType::kHelloRequest;
};

struct Ping {  // answers each Heartbeat, so that the worker sees a live coordinator
  static constexpr MessageType kType = MessageType::kPing;
};

struct TaskRollout {
  static constexpr MessageType kType = MessageType::kTaskRollout;
  GroupId group_id;
  StepId step;
  PolicyVersion policy_version;
  std::string weights_endpoint;  // learner's BulkServer
  Digest weights_digest;         // what the fetched weights must hash to
  uint32_t num_generations = 0;
  uint64_t seed = 0;  // group seed: mix_seed(mix_seed(run_seed, step), slot)
  std::string row_json;
};

struct TaskReward {
  static constexpr MessageType kType = MessageType::kTaskReward;
  struct Response {
    std::string text;
    uint32_t token_count = 0;
    FinishReason finish_reason = FinishReason::kStop;
  };
  GroupId group_id;
  StepId step;
  bool need_reasoning = false;  // gate > 0
  double gate = 0;
  uint32_t attempt = 1;  // 1 … : earlier tries left scores missing
  std::string row_json;
  std::vector<Response> completions;
};

struct BatchGroup {
  GroupId group_id;
  std::string row_json;
  uint64_t seed = 0;
  RolloutResult rollout;  // rollout.policy_version = max(0, step - lag)
  RewardResult reward;
};

struct StepBatch {
  static constexpr MessageType kType = MessageType::kStepBatch;
  StepId step;
  Digest batch_digest;             // = digest_of(groups)
  bool replay = false;             // trained before; sent again after the learner resumed. Same arithmetic, same bits.
  std::vector<BatchGroup> groups;  // in slot order
};

// What the run digest's chain takes in: ids, versions, seeds, tokens, log-prob bits, scores. Not texts' paths, worker
// names, timings or details, so it does not depend on who did the work or where the files lie.
Digest digest_of(const std::vector<BatchGroup>& groups);

struct CheckpointRequest {  // learner: commit a checkpoint of the current version now, then send CheckpointCommitted
  static constexpr MessageType kType = MessageType::kCheckpointRequest;
  std::string reason;
};

struct ResultAck {
  static constexpr MessageType kType = MessageType::kResultAck;
  uint64_t acked_seq = 0;  // the message is durable; forget it
};

// A result that will never be accepted: forget it. Counted by the coordinator under the same reason.
enum class RefusalReason : uint8_t {
  kStaleLease = 1,    // the lease had expired or been revoked
  kDuplicate = 2,     // the group already has this result
  kUnknownLease = 3,  // no such lease
  kWrongGroup = 4,    // the lease is for another group
  kWrongVersion = 5,  // sampled with another policy version than the group's
  kMalformed = 6,     // wrong number of completions or scores, bad values
  kStaleEpoch = 7,    // sender was fenced off: a newer process has its role
  kOutOfOrder = 8,    // StepDone for a step that was not sent
  kBadRole = 9,       // e.g. a rollout worker posting rewards
  kIncomplete = 10,   // scores timed out or failed: the group will be scored again
};
inline constexpr int kNumRefusalReasons = 11;  // array size; index 0 unused
std::string_view name(RefusalReason reason);
struct Refused {
  static constexpr MessageType kType = MessageType::kRefused;
  uint64_t refused_seq = 0;
  RefusalReason reason = RefusalReason::kUnknownLease;
  std::string detail;
};

// The lease named in the header has ended without this worker's result being wanted: drop the work. Sent in answer to
// a heartbeat that still lists the lease, again until it does not.
struct CancelLease {
  static constexpr MessageType kType = MessageType::kCancelLease;
};

struct Shutdown {
  static constexpr MessageType kType = MessageType::kShutdown;
  int32_t exit_code = 0;  // what the worker should exit with
  std::string reason;
};

// ---------------------------------------------------------------------------------------------- bulk channel

struct GetWeights {
  static constexpr MessageType kType = MessageType::kGetWeights;
  PolicyVersion version;
  uint64_t offset = 0;
  uint32_t length = 0;  // at most kMaxChunkBytes (bulk.h)
};

// Followed by a second ZeroMQ part with the raw bytes, so that they are never copied into a frame.
struct WeightsChunk {
  static constexpr MessageType kType = MessageType::kWeightsChunk;
  PolicyVersion version;
  uint64_t total_bytes = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
  uint32_t crc = 0;  // CRC-32C of the raw bytes
  Digest digest;     // of all the version's bytes
};

struct WeightsMissing {
  static constexpr MessageType kType = MessageType::kWeightsMissing;
  PolicyVersion version;
  std::string reason;
};

// ---------------------------------------------------------------------------------------------- codec

// Defined in messages.cc for every message above (and BatchGroup, which the journal and the archive store).
template <class M>
std::vector<std::byte> encode(const M& message);
template <class M>
Result<M> decode(std::span<const std::byte> payload);

// A whole frame with `message` as its payload; header.type is set from the message.
template <class M>
std::vector<std::byte> encode_message(FrameHeader header, const M& message) {
  header.type = M::kType;
  return encode_frame(header, encode(message));
}

}  // namespace prosodia::protocol
