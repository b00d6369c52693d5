// A run's state machine recovered from any journal records, then spoken to by any workers. The input is a list of
// steps, each an operation and its data: records by their bytes or by their fields, frames by their bytes, ticks.
#include "orchestrator/coordinator/journal_records.h"
#include "orchestrator/core/run_core.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

using namespace core;

namespace {

constexpr uint32_t kPromptsPerStep = 2, kGenerations = 2;

RunOptions run_options() {
  RunOptions options;
  options.plan = {.seed = 1,
                  .num_rows = 3,
                  .total_steps = 3,
                  .prompts_per_step = kPromptsPerStep,
                  .num_generations = kGenerations,
                  .lag = 1};
  options.run_id = RunId(9);
  return options;
}

RunCreated run_created() {
  RunCreated record;
  record.run_id = RunId(9);
  record.seed = 1;
  record.prompts_per_step = kPromptsPerStep;
  record.num_generations = kGenerations;
  record.lag = 1;
  return record;
}

protocol::RolloutResult rollout(Choices& choices) {
  protocol::RolloutResult result;
  result.group_id = GroupId(choices.below(7));
  result.policy_version = PolicyVersion(choices.below(3));
  for (size_t n = kGenerations + choices.below(2); n > 0; --n) result.completions.push_back({{1}, {-0.5f}, {}, "x"});
  return result;
}

protocol::RewardResult reward(Choices& choices) {
  protocol::RewardResult result;
  result.group_id = GroupId(choices.below(7));
  result.tau = choices.take<double>();
  for (size_t n = kGenerations + choices.below(2); n > 0; --n) {
    protocol::ResponseScore score;
    score.scored = score.present = !choices.one_in(3);
    score.accuracy = choices.one_in(2) ? choices.take<double>() : 1;
    result.responses.push_back(score);
  }
  return result;
}

// A record that a healthy run could have written, with ids from a small range; digests that must fit are taken from
// `run`.
Record likely_record(const RunCore& run, Choices& choices) {
  const StepId step(choices.below(4));
  switch (choices.below(9)) {
    case 0:
      return LifeStarted{choices.below(4)};
    case 1:
      return InitialWeights{};
    case 2:
      return GateDecided{step, choices.one_in(2) ? choices.take<double>() : 0.0};
    case 3:
      return GroupSampled{rollout(choices), "rollout-0"};
    case 4:
      return GroupScored{reward(choices), 1, "reward-0"};
    case 5:
      return StepBatched{step, run.has_groups(step) ? protocol::digest_of(run.step_groups(step)) : Digest{}};
    case 6: {
      StepTrained trained;
      trained.done.step = step;
      trained.done.new_version = PolicyVersion(step.value + 1);
      if (run.has_groups(step)) trained.done.batch_digest = protocol::digest_of(run.step_groups(step));
      trained.run_digest = run.run_digest();
      return trained;
    }
    case 7:
      return CheckpointSaved{PolicyVersion(choices.below(5)), "step"};
    default:
      return RunComplete{choices.below(4), run.run_digest()};
  }
}

// Answers what the driver of a core must answer, and looks at what it wants sent.
void carry_out(RunCore& run, const Actions& actions) {
  for (const Action& action : actions) {
    if (const auto* send = std::get_if<Send>(&action)) {
      PROSODIA_CHECK(protocol::decode_frame(send->frame, protocol::kMaxPayloadFromCoordinator).has_value());
    } else if (const auto* append = std::get_if<Append>(&action)) {
      const EncodedRecord encoded = encode_record(append->record);
      PROSODIA_CHECK(decode_record(encoded.type, encoded.payload).has_value(), "a record that cannot be read back");
    } else if (const auto* finished = std::get_if<StepFinished>(&action)) {
      if (run.has_groups(finished->step)) (void)run.step_groups(finished->step);
      run.archived(StepId(finished->step.value + 1));
    } else if (const auto* reload = std::get_if<Reload>(&action)) {
      carry_out(run, run.reload_done(reload->from));
    }
  }
}

protocol::Hello hello(Choices& choices) {
  protocol::Hello message;
  message.role = static_cast<protocol::Role>(1 + choices.below(3));
  message.name = std::string(1, static_cast<char>('a' + choices.below(3)));
  message.slots = choices.one_in(4) ? choices.take<uint32_t>() : 2;
  for (size_t n = choices.below(3); n > 0; --n) message.resumable.push_back(PolicyVersion(choices.below(4)));
  for (size_t n = choices.below(3); n > 0; --n) message.served.push_back({PolicyVersion(choices.below(4)), {}});
  message.weights_endpoint = "tcp://127.0.0.1:1";
  return message;
}

std::vector<std::byte> frame(const RunCore& run, Choices& choices) {
  protocol::FrameHeader header;
  header.run_id = choices.one_in(8) ? RunId(choices.below(3)) : run.run_id();
  header.sender_epoch = WorkerEpoch(1 + choices.below(3));
  header.seq = 1 + choices.below(40);
  // Lease ids carry the life in their upper half.
  header.lease_id = LeaseId((run.life() << 32) + choices.below(16));
  switch (choices.below(8)) {
    case 0:
      return protocol::encode_message(header, hello(choices));
    case 1:
      return protocol::encode_message(header, rollout(choices));
    case 2:
      return protocol::encode_message(header, reward(choices));
    case 3: {
      protocol::StepDone done;
      done.step = StepId(choices.below(4));
      done.new_version = PolicyVersion(choices.below(5));
      if (run.has_groups(done.step)) done.batch_digest = protocol::digest_of(run.step_groups(done.step));
      done.loss = choices.take<double>();
      return protocol::encode_message(header, done);
    }
    case 4:
      return protocol::encode_message(header, protocol::WeightsReady{{{PolicyVersion(choices.below(4)), {}}}});
    case 5:
      return protocol::encode_message(header,
                                      protocol::TaskFailed{GroupId(choices.below(7)), ErrorCode::kInvalidInput, "no"});
    case 6:
      return protocol::encode_message(header, protocol::CheckpointCommitted{PolicyVersion(choices.below(5)), "step"});
    default:
      header.type = static_cast<protocol::MessageType>(choices.below(70));
      return protocol::encode_frame(header, choices.bytes(200));
  }
}

}  // namespace

void fuzz_run_recovery(Input input) {
  Choices choices(input);
  const std::vector<std::string> rows(3, "{}");
  RunCore run(run_options(), [&](uint64_t row) -> const std::string& { return rows.at(row); });
  if (choices.one_in(2)) {
    if (!run.replay(run_created())) return;
    for (size_t n = choices.below(24); n > 0 && !choices.empty(); --n) {
      if (choices.one_in(4)) {
        const auto record = decode_record(choices.take<uint8_t>(), choices.bytes(300));
        if (record && !run.replay(*record)) return;
      } else if (!run.replay(likely_record(run, choices))) {
        return;
      }
    }
  }
  int64_t now_ms = 1000;
  carry_out(run, run.start(now_ms));
  for (int step = 0; step < 200 && !choices.empty(); ++step) {
    now_ms += 50 * static_cast<int64_t>(choices.below(200));
    const size_t what = choices.below(16);
    const std::string peer(1, static_cast<char>('p' + choices.below(3)));
    if (what == 0)
      carry_out(run, run.on_tick(now_ms));
    else if (what == 1)
      carry_out(run, run.on_stop(now_ms));
    else if (what == 2)
      carry_out(run, run.on_frame(peer, choices.bytes(100), now_ms));
    else
      carry_out(run, run.on_frame(peer, frame(run, choices), now_ms));
  }
}

}  // namespace prosodia::fuzz
