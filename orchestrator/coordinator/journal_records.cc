#include "orchestrator/coordinator/journal_records.h"

#include <cstring>
#include <optional>

#include "data/base/bytes.h"

namespace prosodia {

using namespace core;

namespace {

enum RecordType : uint16_t {
  kRunCreated = 1,
  kLifeStarted,
  kInitialWeights,
  kGateDecided,
  kGroupSampled,
  kGroupScored,
  kStepBatched,
  kStepTrained,
  kCheckpointSaved,
  kRunComplete,
  kStepsFolded
};

constexpr std::pair<std::string_view, RecordType> kNames[] = {
    {"run_created", kRunCreated},   {"life_started", kLifeStarted},   {"initial_weights", kInitialWeights},
    {"gate_decided", kGateDecided}, {"group_sampled", kGroupSampled}, {"group_scored", kGroupScored},
    {"step_batched", kStepBatched}, {"step_trained", kStepTrained},   {"checkpoint_saved", kCheckpointSaved},
    {"run_complete", kRunComplete}, {"steps_folded", kStepsFolded},
};

void put_digest(ByteWriter& w, const Digest& digest) { w.put_bytes(std::as_bytes(std::span(digest.bytes))); }

Digest get_digest(ByteReader& r) {
  Digest digest;
  const auto raw = r.get_bytes(digest.bytes.size());
  if (!raw.empty()) std::memcpy(digest.bytes.data(), raw.data(), raw.size());
  return digest;
}

template <class M>
void put_message(ByteWriter& w, const M& message) {
  const auto bytes = protocol::encode(message);
  w.put(static_cast<uint32_t>(bytes.size()));
  w.put_bytes(bytes);
}

template <class M>
M get_message(ByteReader& r, bool* valid) {
  const auto bytes = r.get_bytes(r.get<uint32_t>());
  auto message = protocol::decode<M>(bytes);
  *valid = *valid && message.has_value();
  return message ? std::move(*message) : M{};
}

uint16_t write(ByteWriter& w, const RunCreated& r) {
  w.put(r.format);
  w.put(r.run_id.value);
  put_digest(w, r.config_digest);
  put_digest(w, r.dataset_digest);
  w.put(r.seed);
  w.put(r.prompts_per_step);
  w.put(r.num_generations);
  w.put(r.lag);
  return kRunCreated;
}
uint16_t write(ByteWriter& w, const LifeStarted& r) {
  w.put(r.life);
  return kLifeStarted;
}
uint16_t write(ByteWriter& w, const InitialWeights& r) {
  put_digest(w, r.digest);
  return kInitialWeights;
}
uint16_t write(ByteWriter& w, const GateDecided& r) {
  w.put(r.step.value);
  w.put(r.gate);
  return kGateDecided;
}
uint16_t write(ByteWriter& w, const GroupSampled& r) {
  w.put_string(r.worker);
  put_message(w, r.result);
  return kGroupSampled;
}
uint16_t write(ByteWriter& w, const GroupScored& r) {
  w.put(r.tries);
  w.put_string(r.worker);
  put_message(w, r.result);
  return kGroupScored;
}
uint16_t write(ByteWriter& w, const StepBatched& r) {
  w.put(r.step.value);
  put_digest(w, r.batch_digest);
  return kStepBatched;
}
void put_times(ByteWriter& w, const StepTimes& times) {
  for (double seconds : {times.rollout, times.reward, times.train, times.wait, times.step}) w.put(seconds);
}
uint16_t write(ByteWriter& w, const StepTrained& r) {
  put_digest(w, r.run_digest);
  put_times(w, r.times);
  put_message(w, r.done);
  return kStepTrained;
}
uint16_t write(ByteWriter& w, const CheckpointSaved& r) {
  w.put(r.version.value);
  w.put_string(r.path);
  return kCheckpointSaved;
}
uint16_t write(ByteWriter& w, const RunComplete& r) {
  w.put(r.steps);
  put_digest(w, r.run_digest);
  return kRunComplete;
}

uint16_t write(ByteWriter& w, const StepsFolded& r) {
  w.put(r.first.value);
  w.put(static_cast<uint32_t>(r.steps.size()));
  for (const FoldedStep& step : r.steps) {
    put_digest(w, step.batch_digest);
    put_digest(w, step.weights_digest);
    for (double value : {step.loss, step.gate, step.accuracy}) w.put(value);
    w.put(step.num_tokens);
    put_digest(w, step.run_digest);
    put_times(w, step.times);
  }
  return kStepsFolded;
}

RunCreated read_run_created(ByteReader& r) {
  RunCreated out;
  out.format = r.get<uint32_t>();
  out.run_id = RunId(r.get<uint64_t>());
  out.config_digest = get_digest(r);
  out.dataset_digest = get_digest(r);
  out.seed = r.get<uint64_t>();
  out.prompts_per_step = r.get<uint32_t>();
  out.num_generations = r.get<uint32_t>();
  out.lag = r.get<uint32_t>();
  return out;
}

StepTimes get_times(ByteReader& r) {
  StepTimes times;
  for (double* seconds : {&times.rollout, &times.reward, &times.train, &times.wait, &times.step}) {
    *seconds = r.get<double>();
  }
  return times;
}

StepsFolded read_steps_folded(ByteReader& r) {
  StepsFolded out{StepId(r.get<uint64_t>()), {}};
  const auto count = r.get<uint32_t>();
  for (uint32_t i = 0; i < count && r.ok(); ++i) {  // a wrong count runs out of bytes
    FoldedStep step;
    step.batch_digest = get_digest(r);
    step.weights_digest = get_digest(r);
    for (double* value : {&step.loss, &step.gate, &step.accuracy}) *value = r.get<double>();
    step.num_tokens = r.get<uint64_t>();
    step.run_digest = get_digest(r);
    step.times = get_times(r);
    out.steps.push_back(step);
  }
  return out;
}

StepTrained read_step_trained(ByteReader& r, bool* valid) {
  StepTrained out;
  out.run_digest = get_digest(r);
  out.times = get_times(r);
  out.done = get_message<protocol::StepDone>(r, valid);
  return out;
}

std::optional<Record> read(uint16_t type, ByteReader& r, bool* valid) {
  switch (type) {
    case kRunCreated:
      return read_run_created(r);
    case kLifeStarted:
      return LifeStarted{r.get<uint64_t>()};
    case kInitialWeights:
      return InitialWeights{get_digest(r)};
    case kGateDecided: {
      const StepId step(r.get<uint64_t>());
      return GateDecided{step, r.get<double>()};
    }
    case kGroupSampled: {
      GroupSampled out;
      out.worker = r.get_string();
      out.result = get_message<protocol::RolloutResult>(r, valid);
      return out;
    }
    case kGroupScored: {
      GroupScored out;
      out.tries = r.get<uint32_t>();
      out.worker = r.get_string();
      out.result = get_message<protocol::RewardResult>(r, valid);
      return out;
    }
    case kStepBatched: {
      const StepId step(r.get<uint64_t>());
      return StepBatched{step, get_digest(r)};
    }
    case kStepTrained:
      return read_step_trained(r, valid);
    case kCheckpointSaved: {
      const PolicyVersion version(r.get<uint64_t>());
      return CheckpointSaved{version, r.get_string()};
    }
    case kRunComplete: {
      const auto steps = r.get<uint64_t>();
      return RunComplete{steps, get_digest(r)};
    }
    case kStepsFolded:
      return read_steps_folded(r);
    default:
      return std::nullopt;
  }
}

}  // namespace

EncodedRecord encode_record(const Record& record) {
  ByteWriter writer;
  const uint16_t type = std::visit([&](const auto& r) { return write(writer, r); }, record);
  return {type, writer.take()};
}

Result<Record> decode_record(uint16_t type, std::span<const std::byte> payload) {
  ByteReader reader(payload);
  bool valid = true;
  auto record = read(type, reader, &valid);
  if (!record) {
    return fail(ErrorCode::kCorruption, "journal record of unknown type {}: written by a newer release?", type);
  }
  if (!valid || !reader.at_end()) {
    return fail(ErrorCode::kCorruption, "journal record of type {} with {} bytes does not follow its grammar", type,
                payload.size());
  }
  return std::move(*record);
}

std::optional<uint16_t> record_type(std::string_view name) {
  for (const auto& [known, type] : kNames)
    if (known == name) return type;
  return std::nullopt;
}

}  // namespace prosodia
