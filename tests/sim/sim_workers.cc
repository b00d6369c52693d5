#include "tests/sim/sim_workers.h"

#include <algorithm>
#include <cstring>

#include "orchestrator/protocol/transport.h"

namespace prosodia::sim {

using namespace protocol;

namespace {
uint64_t low_bits(const Digest& digest) {
  uint64_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof(value));
  return value;
}
Digest weights_of(const Digest& before, const Digest& batch) {
  return DigestBuilder().add("weights").add(before).add(batch).finish();
}
}  // namespace

// ------------------------------------------------------------------------------------------------ process

SimProcess::SimProcess(World& world, WorkerClientOptions options, SendUp send_up)
    : world_(world), options_(std::move(options)), send_up_(std::move(send_up)) {}

void SimProcess::start() {
  if (shut_down_) return;
  const WorkerEpoch epoch(world_.random_u64());
  peer_ = make_routing_id(options_.name, epoch.value);
  ++incarnation_;
  paused_until_ms_ = 0;
  started_ms_ = world_.now_ms();
  wedged_ = false;
  piled_up_.clear();
  on_start();
  core_.emplace(options_, epoch, world_.now_ms());
  poll(incarnation_);
}

void SimProcess::crash() {
  core_.reset();
  ++incarnation_;
}

void SimProcess::run_again(int64_t delay_ms) {
  shut_down_ = false;
  crash();
  world_.at(delay_ms, [this] {
    if (!up()) start();
  });
}

void SimProcess::pause(int64_t for_ms) { paused_until_ms_ = world_.now_ms() + for_ms; }

void SimProcess::send(const ClientCore::Frames& frames) {
  for (const auto& frame : frames) send_up_(peer_, frame);
}

void SimProcess::receive(const std::vector<std::byte>& frame) {
  if (!core_) return;
  if (world_.now_ms() < paused_until_ms_) {
    piled_up_.push_back(frame);
    return;
  }
  send(core_->on_frame(frame, world_.now_ms()));
  pump();
}

void SimProcess::poll(uint64_t incarnation) {
  if (incarnation != incarnation_ || !core_) return;
  if (world_.now_ms() >= paused_until_ms_) {
    for (const auto& frame : std::exchange(piled_up_, {})) send(core_->on_frame(frame, world_.now_ms()));
    send(core_->poll(world_.now_ms()));
    pump();
    if (!core_ || incarnation != incarnation_) return;
    if (core_->state() == ClientState::kFenced && !wedged_) return fail_and_restart();
    if (core_->state() == ClientState::kRejected) violations.push_back(name() + " rejected: " + core_->failure());
  }
  world_.at(core_->poll_interval_ms(), [this, incarnation] { poll(incarnation); });
}

void SimProcess::fail_and_restart() {
  crash();
  world_.at(world_.between(100, 500), [this] {
    if (!up()) start();
  });
}

void SimProcess::pump() {
  while (core_ && !wedged_ && can_take()) {
    auto task = core_->take_task();
    if (!task) return;
    if (const auto* shutdown = std::get_if<Shutdown>(&task->body)) {
      if (shutdown->exit_code != 0 && shutdown->exit_code != 6) return fail_and_restart();
      shut_down_ = true;
      crash();
      return;
    }
    on_task(std::move(*task));
  }
}

void SimProcess::later(int64_t delay_ms, std::function<void()> work) {
  world_.at(delay_ms, [this, incarnation = incarnation_, work = std::move(work)] {
    if (incarnation != incarnation_ || wedged_) return;
    if (world_.now_ms() < paused_until_ms_) {
      later(paused_until_ms_ - world_.now_ms() + 1, work);
      return;
    }
    work();
    pump();
  });
}

// ------------------------------------------------------------------------------------------------ rollout and reward

RolloutResult fake_rollout(const TaskRollout& task) {
  RolloutResult result;
  result.group_id = task.group_id;
  result.policy_version = task.policy_version;
  result.prompt_token_count = static_cast<uint32_t>(task.row_json.size());
  for (uint32_t sample = 0; sample < task.num_generations; ++sample) {
    PhiloxStream stream(mix_seed(mix_seed(low_bits(task.weights_digest), task.seed), sample));
    Completion completion;
    const uint32_t length = 1 + stream.next_below(6);
    for (uint32_t i = 0; i < length; ++i) {
      completion.token_ids.push_back(static_cast<int32_t>(stream.next_below(100)));
      completion.logprobs.push_back(-stream.next_unit());
    }
    completion.text = fmt::format("t{}", stream.next_u32());
    result.completions.push_back(std::move(completion));
  }
  return result;
}

// Scores are a function of the text. With the gate open, one response in eight has none, try after try: half of them
// for a reason that another try might mend.
RewardResult fake_reward(const TaskReward& task) {
  RewardResult result;
  result.group_id = task.group_id;
  result.gate = task.gate;
  for (const auto& response : task.completions) {
    PhiloxStream stream(crc32c(std::as_bytes(std::span(response.text))));
    ResponseScore score;
    score.scored = true;
    score.accuracy = stream.next_below(2);
    score.format = stream.next_below(2);
    score.present = true;
    if (task.need_reasoning) {
      const uint32_t drawn = stream.next_below(16);
      score.present = drawn > 1;
      score.reasoning_status = score.present ? ReasoningStatus::kValue
                               : drawn == 0  ? ReasoningStatus::kUnparsable
                                             : ReasoningStatus::kTimeout;
      if (score.present) score.reasoning = stream.next_unit();
    }
    score.total = score.present ? score.accuracy + 0.3 * score.format + 0.5 * task.gate * score.reasoning : 0;
    result.responses.push_back(score);
  }
  return result;
}

void SimWorker::on_task(Task task) {
  ++busy_;
  const LeaseId lease = task.lease;
  const bool fails = world_.chance(failure_rate);
  // Stuck: the process lives and beats, but the task outlasts its lease.
  const bool stuck = world_.chance(stuck_rate), slow = !stuck && world_.chance(slow_rate);
  const int64_t duration_ms = stuck || slow ? world_.between(5000, 15'000) : world_.between(20, 400);
  if (stuck) world_.count("tasks stuck past their lease");
  if (slow) {
    world_.count("tasks slow but moving");
    show_progress(lease, 1, world_.now_ms() + duration_ms);
  }
  if (fails) world_.count("tasks failed");
  later(duration_ms, [this, lease, fails, task = std::make_shared<Task>(std::move(task))] {
    --busy_;
    const int64_t now_ms = world_.now_ms();
    if (const auto* rollout = std::get_if<TaskRollout>(&task->body)) {
      send(fails ? core_->submit(lease, TaskFailed{rollout->group_id, ErrorCode::kUnavailable, "no weights"}, now_ms)
                 : core_->submit(lease, fake_rollout(*rollout), now_ms));
    } else if (const auto* reward = std::get_if<TaskReward>(&task->body)) {
      send(fails ? core_->submit(lease, TaskFailed{reward->group_id, ErrorCode::kUnavailable, "no model"}, now_ms)
                 : core_->submit(lease, fake_reward(*reward), now_ms));
    } else {
      violations.push_back(name() + " got a task of another role");
    }
  });
}

void SimWorker::show_progress(LeaseId lease, uint64_t counter, int64_t until_ms) {
  if (world_.now_ms() >= until_ms) return;
  core_->report_progress(lease, counter);
  later(500, [this, lease, counter, until_ms] { show_progress(lease, counter + 1, until_ms); });
}

// ------------------------------------------------------------------------------------------------ learner

SimLearner::SimLearner(World& world, WorkerClientOptions options, SendUp send_up, uint64_t lag, uint64_t total_steps,
                       uint64_t save_steps)
    : SimProcess(world, std::move(options), std::move(send_up)),
      lag_(lag),
      total_steps_(total_steps),
      save_steps_(save_steps) {}

void SimLearner::on_start() {
  loaded_ = busy_ = false;
  last_done_.reset();
  options_.resumable = {PolicyVersion(0)};
  for (const auto& [version, state] : disk_) options_.resumable.push_back(PolicyVersion(version));
  options_.weights_endpoint = "sim";
  later(world_.between(10, 300), [this] { load(); });
}

void SimLearner::load() {
  if (!core_->welcome()) {
    later(20, [this] { load(); });
    return;
  }
  const uint64_t version = core_->welcome()->resume_version.value;
  if (version == 0) {
    state_ = State{0, {{0, DigestBuilder().add("initial").finish()}}};
  } else {
    state_ = disk_.at(version);
  }
  loaded_ = true;
  announce();
}

void SimLearner::announce() {
  std::vector<ServedVersion> served;
  for (const auto& [version, digest] : state_.served) served.push_back({PolicyVersion(version), digest});
  send(core_->announce(served, world_.now_ms()));
}

void SimLearner::on_task(Task task) {
  if (std::holds_alternative<CheckpointRequest>(task.body)) {
    save();
    return;
  }
  const auto* batch = std::get_if<StepBatch>(&task.body);
  if (batch == nullptr) {
    violations.push_back("the learner got a worker's task");
    return;
  }
  if (last_done_ && last_done_->step == batch->step && last_done_->batch_digest == batch->batch_digest) {
    send(core_->submit(task.lease, *last_done_, world_.now_ms()));
    return;
  }
  if (batch->step.value != state_.version) {  // as the real learner: leave, and ask where to go on from
    return fail_and_restart();
  }
  check(*batch);
  busy_ = true;
  later(world_.between(30, 300),
        [this, lease = task.lease, b = std::make_shared<StepBatch>(*batch)] { train(lease, *b); });
}

void SimLearner::check(const StepBatch& batch) {
  if (digest_of(batch.groups) != batch.batch_digest) violations.push_back(fmt::format("step {}: digest", batch.step));
  const uint64_t expected = batch.step.value > lag_ ? batch.step.value - lag_ : 0;
  for (const BatchGroup& group : batch.groups) {
    if (group.rollout.policy_version.value == expected) continue;
    violations.push_back(fmt::format("step {}: group {} has version {}, staleness demands {}", batch.step,
                                     group.group_id, group.rollout.policy_version, expected));
  }
}

void SimLearner::train(LeaseId lease, const StepBatch& batch) {
  busy_ = false;
  ++steps_trained_;
  const Digest before = state_.served.at(state_.version);
  StepDone done;
  done.step = batch.step;
  done.new_version = PolicyVersion(++state_.version);
  done.batch_digest = batch.batch_digest;
  done.weights_digest = weights_of(before, batch.batch_digest);
  done.loss = static_cast<double>(low_bits(done.weights_digest) >> 12) * 0x1p-52 - 0.5;
  done.metrics = {{"loss", done.loss}};
  state_.served[state_.version] = done.weights_digest;
  while (state_.served.size() > lag_ + 2) state_.served.erase(state_.served.begin());
  last_done_ = done;
  announce();
  send(core_->submit(lease, done, world_.now_ms()));
  if (state_.version % save_steps_ == 0 || state_.version == total_steps_) save();
}

void SimLearner::save() {
  busy_ = true;
  later(world_.between(5, 200), [this] {
    busy_ = false;
    disk_[state_.version] = state_;
    while (disk_.size() > 2) disk_.erase(disk_.begin());
    send(core_->submit(LeaseId{}, CheckpointCommitted{PolicyVersion(state_.version), "ckpt"}, world_.now_ms()));
  });
}

}  // namespace prosodia::sim
