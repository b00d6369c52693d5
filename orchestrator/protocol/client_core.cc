#include "orchestrator/protocol/client_core.h"

#include <algorithm>

#include "data/base/check.h"

namespace prosodia::protocol {
namespace {
constexpr int64_t kHelloRetryMs = 200;
constexpr size_t kFinishedLeasesKept = 4096;
}  // namespace

ClientCore::ClientCore(WorkerClientOptions options, WorkerEpoch epoch, int64_t now_ms)
    : options_(std::move(options)),
      epoch_(epoch),
      last_heard_ms_(now_ms),
      next_hello_ms_(now_ms),
      jitter_(mix_seed(epoch.value, 0x6A6974746572)) {}  // "jitter"

template <class M>
std::vector<std::byte> ClientCore::frame_of(LeaseId lease, uint64_t seq, const M& message) const {
  FrameHeader header;
  header.run_id = welcome_ ? welcome_->run_id : RunId{};
  header.sender_epoch = epoch_;
  header.lease_id = lease;
  header.seq = seq;
  return encode_message(header, message);
}

std::vector<std::byte> ClientCore::hello() {
  Hello hello;
  hello.role = options_.role;
  hello.name = options_.name;
  hello.config_digest = options_.config_digest;
  hello.slots = options_.slots;
  hello.resumable = options_.resumable;
  hello.served = served_;
  hello.weights_endpoint = options_.weights_endpoint;
  return frame_of(LeaseId{}, next_seq_++, hello);
}

ClientCore::Frames ClientCore::begin_hello(int64_t now_ms) {
  if (state_ == ClientState::kLive) ++stats_.reconnects;
  state_ = ClientState::kHelloSent;
  next_hello_ms_ = now_ms + jittered(kHelloRetryMs);
  return {hello()};
}

ClientCore::Frames ClientCore::on_frame(std::span<const std::byte> bytes, int64_t now_ms) {
  if (state_ == ClientState::kRejected || state_ == ClientState::kFenced) return {};
  const auto view = decode_frame(bytes, kMaxPayloadFromCoordinator);
  if (!view) {
    ++stats_.bad_frames;
    return {};
  }
  const FrameHeader& header = view->header;
  const uint64_t life = header.sender_epoch.value;
  if (welcome_ && life < welcome_->life) {
    ++stats_.bad_frames;
    return {};
  }
  last_heard_ms_ = now_ms;
  switch (header.type) {
    case MessageType::kWelcome: {
      const auto welcome = decode<Welcome>(view->payload);
      if (!welcome) break;
      return on_welcome(*welcome, now_ms);
    }
    case MessageType::kReject: {
      const auto reject = decode<Reject>(view->payload);
      if (!reject) break;
      state_ = ClientState::kRejected;
      failure_ = reject->reason;
      return {};
    }
    case MessageType::kHelloRequest:
      if (state_ == ClientState::kHelloSent) return {};  // a Hello is on its way; poll repeats it
      return begin_hello(now_ms);
    default:
      break;
  }
  if (header.type == MessageType::kRefused) {
    on_refused(*view);
    return {};
  }
  if (state_ != ClientState::kLive) return {};  // late frames around a reconnect; the coordinator sends them again
  if (life > welcome_->life) return begin_hello(now_ms);
  switch (header.type) {
    case MessageType::kPing:
      return {};
    case MessageType::kTaskRollout:
      queue_decoded<TaskRollout>(*view);
      return {};
    case MessageType::kTaskReward:
      queue_decoded<TaskReward>(*view);
      return {};
    case MessageType::kStepBatch:
      queue_decoded<StepBatch>(*view);
      return {};
    case MessageType::kCheckpointRequest:
      if (auto request = decode<CheckpointRequest>(view->payload); request && !checkpoint_queued_) {
        checkpoint_queued_ = true;
        tasks_.push_back(Task{LeaseId{}, std::move(*request)});
      }
      return {};
    case MessageType::kCancelLease:
      on_cancel(header.lease_id);
      return {};
    case MessageType::kShutdown:
      if (auto shutdown = decode<Shutdown>(view->payload)) shutdown_ = std::move(*shutdown);
      return {};
    case MessageType::kResultAck:
      if (const auto ack = decode<ResultAck>(view->payload)) {
        stats_.acked += pending_.contains(ack->acked_seq);
        settle(ack->acked_seq);
      }
      return {};
    default:
      ++stats_.bad_frames;
      return {};
  }
}

void ClientCore::on_refused(const FrameView& view) {
  const auto refused = decode<Refused>(view.payload);
  if (!refused) return;
  stats_.refused += pending_.contains(refused->refused_seq);
  settle(refused->refused_seq);
  if (refused->reason != RefusalReason::kStaleEpoch) return;
  state_ = ClientState::kFenced;
  failure_ = refused->detail;
}

ClientCore::Frames ClientCore::on_welcome(const Welcome& welcome, int64_t now_ms) {
  if (state_ != ClientState::kHelloSent) return {};  // answers a repeated Hello
  if (welcome_ && welcome_->run_id != welcome.run_id) {
    state_ = ClientState::kRejected;
    failure_ = fmt::format("the coordinator now serves run {:016x}, this worker belongs to run {:016x}: restart it",
                           welcome.run_id.value, welcome_->run_id.value);
    return {};
  }
  const bool new_life = welcome_ && welcome_->life != welcome.life;
  if (new_life) {
    std::erase_if(tasks_, [&](const Task& task) {
      if (task.lease.value != 0) {
        leases_.erase(task.lease);
        ++stats_.dropped_tasks;
      }
      return true;
    });
    checkpoint_queued_ = false;
  }
  welcome_ = welcome;
  state_ = ClientState::kLive;
  next_heartbeat_ms_ = now_ms;
  for (auto& [seq, pending] : pending_) {
    pending.due_ms = now_ms;
    pending.backoff_ms = options_.resend_min.count();
  }
  return poll(now_ms);
}

template <class M>
void ClientCore::queue_decoded(const FrameView& view) {
  auto message = decode<M>(view.payload);
  if (!message) {
    ++stats_.bad_frames;
    return;
  }
  const LeaseId lease = view.header.lease_id;
  if (leases_.contains(lease) || finished_.contains(lease)) return;
  leases_.emplace(lease, LeaseState{});
  tasks_.push_back(Task{lease, std::move(*message)});
}

// A lease whose result is on its way stays: the result's own answer settles it.
void ClientCore::on_cancel(LeaseId lease) {
  const auto held = leases_.find(lease);
  if (held == leases_.end()) return;
  const bool sent =
      std::any_of(pending_.begin(), pending_.end(), [lease](const auto& entry) { return entry.second.lease == lease; });
  if (sent) return;
  if (held->second.taken) {
    cancelled_.push_back(lease);
  } else {
    std::erase_if(tasks_, [lease](const Task& task) { return task.lease == lease; });
  }
  ++stats_.cancelled;
  finish_lease(lease);
}

std::vector<LeaseId> ClientCore::take_cancelled() { return std::exchange(cancelled_, {}); }

std::optional<Task> ClientCore::take_task() {
  if (shutdown_) return Task{LeaseId{}, *shutdown_};
  if (tasks_.empty()) return std::nullopt;
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  if (const auto it = leases_.find(task.lease); it != leases_.end()) it->second.taken = true;
  if (std::holds_alternative<CheckpointRequest>(task.body)) checkpoint_queued_ = false;
  return task;
}

void ClientCore::report_progress(LeaseId lease, uint64_t counter) {
  if (const auto it = leases_.find(lease); it != leases_.end()) it->second.progress = counter;
}

template <class M>
ClientCore::Frames ClientCore::submit(LeaseId lease, const M& message, int64_t now_ms) {
  const uint64_t seq = next_seq_++;
  Pending pending{lease, M::kType, frame_of(lease, seq, message), now_ms, options_.resend_min.count()};
  Frames out;
  if (state_ == ClientState::kLive) {
    out.push_back(pending.frame);
    pending.due_ms = now_ms + jittered(pending.backoff_ms);
  }
  pending_.emplace(seq, std::move(pending));
  return out;
}
template ClientCore::Frames ClientCore::submit(LeaseId, const RolloutResult&, int64_t);
template ClientCore::Frames ClientCore::submit(LeaseId, const RewardResult&, int64_t);
template ClientCore::Frames ClientCore::submit(LeaseId, const TaskFailed&, int64_t);
template ClientCore::Frames ClientCore::submit(LeaseId, const WeightsReady&, int64_t);
template ClientCore::Frames ClientCore::submit(LeaseId, const StepDone&, int64_t);
template ClientCore::Frames ClientCore::submit(LeaseId, const CheckpointCommitted&, int64_t);

ClientCore::Frames ClientCore::announce(const std::vector<ServedVersion>& served, int64_t now_ms) {
  served_ = served;
  std::erase_if(pending_, [](const auto& entry) { return entry.second.type == MessageType::kWeightsReady; });
  return submit(LeaseId{}, WeightsReady{served}, now_ms);
}

ClientCore::Frames ClientCore::goodbye(const std::string& reason) {
  if (state_ != ClientState::kLive) return {};
  return {frame_of(LeaseId{}, next_seq_++, Goodbye{reason})};
}

void ClientCore::settle(uint64_t seq) {
  const auto it = pending_.find(seq);
  if (it == pending_.end()) return;
  finish_lease(it->second.lease);
  pending_.erase(it);
}

void ClientCore::finish_lease(LeaseId lease) {
  if (lease.value == 0) return;
  leases_.erase(lease);
  if (!finished_.insert(lease).second) return;
  finished_order_.push_back(lease);
  if (finished_order_.size() > kFinishedLeasesKept) {
    finished_.erase(finished_order_.front());
    finished_order_.pop_front();
  }
}

int64_t ClientCore::jittered(int64_t delay_ms) {
  return delay_ms + static_cast<int64_t>(static_cast<double>(delay_ms) * 0.5 * (jitter_.next_unit() - 0.5));
}

int64_t ClientCore::heartbeat_period_ms() const {
  return welcome_ && welcome_->heartbeat_ms > 0 ? welcome_->heartbeat_ms : options_.heartbeat.count();
}

int64_t ClientCore::poll_interval_ms() const { return std::clamp<int64_t>(heartbeat_period_ms() / 4, 5, 50); }

ClientCore::Frames ClientCore::poll(int64_t now_ms) {
  Frames out;
  if (state_ == ClientState::kHelloSent) {
    if (now_ms >= next_hello_ms_) {
      next_hello_ms_ = now_ms + jittered(kHelloRetryMs);
      out.push_back(hello());
    }
    return out;
  }
  if (state_ != ClientState::kLive) return out;
  if (now_ms >= next_heartbeat_ms_) {
    Heartbeat beat;
    for (const auto& [lease, state] : leases_) beat.leases.push_back({lease, state.progress});
    out.push_back(frame_of(LeaseId{}, next_seq_++, beat));
    next_heartbeat_ms_ = now_ms + heartbeat_period_ms();
  }
  send_due(now_ms, out);
  return out;
}

void ClientCore::send_due(int64_t now_ms, Frames& out) {
  for (auto& [seq, pending] : pending_) {
    if (now_ms < pending.due_ms) continue;
    out.push_back(pending.frame);
    ++stats_.resent;
    pending.due_ms = now_ms + jittered(pending.backoff_ms);
    pending.backoff_ms = std::min<int64_t>(pending.backoff_ms * 2, options_.resend_max.count());
  }
}

}  // namespace prosodia::protocol
