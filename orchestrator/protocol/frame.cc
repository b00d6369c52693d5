#include "orchestrator/protocol/frame.h"

#include <cstring>

#include "data/base/bytes.h"
#include "data/base/check.h"
#include "data/base/crc32c.h"

namespace prosodia::protocol {
namespace {

constexpr size_t kCrcOffset = kFrameHeaderBytes - sizeof(uint32_t);

uint32_t crc_of(std::span<const std::byte> frame) {
  return crc32c(frame.subspan(kFrameHeaderBytes), crc32c(frame.first(kCrcOffset)));
}

}  // namespace

std::string_view name(MessageType type) {
  switch (type) {
    case MessageType::kHello:
      return "Hello";
    case MessageType::kHeartbeat:
      return "Heartbeat";
    case MessageType::kRolloutResult:
      return "RolloutResult";
    case MessageType::kRewardResult:
      return "RewardResult";
    case MessageType::kTaskFailed:
      return "TaskFailed";
    case MessageType::kWeightsReady:
      return "WeightsReady";
    case MessageType::kStepDone:
      return "StepDone";
    case MessageType::kCheckpointCommitted:
      return "CheckpointCommitted";
    case MessageType::kGoodbye:
      return "Goodbye";
    case MessageType::kWelcome:
      return "Welcome";
    case MessageType::kReject:
      return "Reject";
    case MessageType::kHelloRequest:
      return "HelloRequest";
    case MessageType::kPing:
      return "Ping";
    case MessageType::kTaskRollout:
      return "TaskRollout";
    case MessageType::kTaskReward:
      return "TaskReward";
    case MessageType::kStepBatch:
      return "StepBatch";
    case MessageType::kCheckpointRequest:
      return "CheckpointRequest";
    case MessageType::kResultAck:
      return "ResultAck";
    case MessageType::kRefused:
      return "Refused";
    case MessageType::kShutdown:
      return "Shutdown";
    case MessageType::kCancelLease:
      return "CancelLease";
    case MessageType::kGetWeights:
      return "GetWeights";
    case MessageType::kWeightsChunk:
      return "WeightsChunk";
    case MessageType::kWeightsMissing:
      return "WeightsMissing";
  }
  return "unknown";
}

std::vector<std::byte> encode_frame(const FrameHeader& header, std::span<const std::byte> payload) {
  PROSODIA_CHECK(payload.size() <= kMaxPayloadFromCoordinator, "{} payload of {} bytes", name(header.type),
                 payload.size());
  ByteWriter writer;
  writer.put(kFrameMagic);
  writer.put(kFrameVersion);
  writer.put(header.type);
  writer.put(header.flags);
  writer.put(header.run_id.value);
  writer.put(header.sender_epoch.value);
  writer.put(header.lease_id.value);
  writer.put(header.seq);
  writer.put(static_cast<uint32_t>(payload.size()));
  writer.put(uint32_t{0});  // the CRC, filled in below
  writer.put_bytes(payload);
  std::vector<std::byte> frame = writer.take();
  const uint32_t crc = crc_of(frame);
  std::memcpy(frame.data() + kCrcOffset, &crc, sizeof(crc));
  return frame;
}

Result<FrameView> decode_frame(std::span<const std::byte> bytes, size_t max_payload) {
  if (bytes.size() < kFrameHeaderBytes) {
    return fail(ErrorCode::kCorruption, "frame of {} bytes: expected a header of {}", bytes.size(), kFrameHeaderBytes);
  }
  ByteReader reader(bytes);
  if (reader.get<uint32_t>() != kFrameMagic) {
    return fail(ErrorCode::kCorruption, "not a Prosodia frame (wrong magic): is the endpoint the right one?");
  }
  if (const auto version = reader.get<uint16_t>(); version != kFrameVersion) {
    return fail(ErrorCode::kInvalidInput, "frame version {}: this program speaks {}; run the same release everywhere",
                version, kFrameVersion);
  }
  FrameView view;
  view.header.type = reader.get<MessageType>();
  view.header.flags = reader.get<uint32_t>();
  view.header.run_id = RunId(reader.get<uint64_t>());
  view.header.sender_epoch = WorkerEpoch(reader.get<uint64_t>());
  view.header.lease_id = LeaseId(reader.get<uint64_t>());
  view.header.seq = reader.get<uint64_t>();
  const size_t length = reader.get<uint32_t>();
  const auto crc = reader.get<uint32_t>();
  if (length > max_payload) {
    return fail(ErrorCode::kInvalidInput, "{} frame announces {} bytes: the limit here is {}", name(view.header.type),
                length, max_payload);
  }
  if (length != reader.remaining()) {
    return fail(ErrorCode::kCorruption, "{} frame announces {} payload bytes and carries {}", name(view.header.type),
                length, reader.remaining());
  }
  if (crc != crc_of(bytes)) return fail(ErrorCode::kCorruption, "frame CRC-32C mismatch");
  if (view.header.flags != 0) {
    return fail(ErrorCode::kInvalidInput, "{} frame has unknown flags {:#x}", name(view.header.type),
                view.header.flags);
  }
  if (name(view.header.type) == "unknown") {
    return fail(ErrorCode::kInvalidInput, "unknown message type {}", static_cast<uint16_t>(view.header.type));
  }
  view.payload = reader.get_bytes(length);
  return view;
}

}  // namespace prosodia::protocol
