// ClientCore: the worker's side of the control protocol as a pure state machine: frames, calls and the time in; frames
// out. WorkerClient runs it behind a socket and a mutex; the simulation runs it directly.
//
// Thread rule: single thread (or the caller's lock). Failure rule: bad frames are counted and dropped.
//
// | state      | event                          | next       | effect                                              |
// |------------|--------------------------------|------------|-----------------------------------------------------|
// | kHelloSent | Welcome                        | kLive      | new life: drop untaken tasks; resend all unacked    |
// | kHelloSent | Reject                         | kRejected  | next_task fails with the reason                     |
// | kHelloSent | poll, hello_retry passed       | kHelloSent | Hello again                                         |
// | kLive      | HelloRequest, a newer life     | kHelloSent | Hello                                               |
// | kHelloSent, kLive | Refused(kStaleEpoch)    | kFenced    | next_task fails                                     |
// | kHelloSent | Welcome of another run         | kRejected  | next_task fails                                     |
// | kLive      | task                           | kLive      | queue it once a lease id                            |
// | kLive      | ResultAck, Refused             | kLive      | forget the pending message                          |
// | kLive      | CancelLease                    | kLive      | untaken: dropped; taken: told by take_cancelled     |
// | any        | a frame of an older life       | same       | dropped, counted                                    |
// | kRejected, kFenced | anything               | same       | ignored                                             |
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/base/philox.h"
#include "orchestrator/protocol/worker_client.h"

namespace prosodia::protocol {

enum class ClientState : uint8_t { kHelloSent, kLive, kRejected, kFenced };

class ClientCore {
 public:
  using Frames = std::vector<std::vector<std::byte>>;

  // `epoch`: random, drawn once a process. Jitter comes from a stream keyed by it.
  ClientCore(WorkerClientOptions options, WorkerEpoch epoch, int64_t now_ms);

  // One received frame. Returns frames to send now.
  Frames on_frame(std::span<const std::byte> bytes, int64_t now_ms);
  // Call at least every poll_interval_ms(). Hello retries, heartbeats, resends.
  Frames poll(int64_t now_ms);
  int64_t poll_interval_ms() const;  // a quarter of the heartbeat, 5 … 50

  int64_t heartbeat_period_ms() const;  // the coordinator's, once it has said so

  std::optional<Task> take_task();
  std::vector<LeaseId> take_cancelled();
  void report_progress(LeaseId lease, uint64_t counter);
  // Keeps `message` until acknowledged. Returns the frame to send now (none while not live; poll sends it later).
  template <class M>
  Frames submit(LeaseId lease, const M& message, int64_t now_ms);
  // Replaces what Hello tells as served, and an unacknowledged WeightsReady.
  Frames announce(const std::vector<ServedVersion>& served, int64_t now_ms);
  Frames goodbye(const std::string& reason);

  ClientState state() const { return state_; }
  const std::optional<Welcome>& welcome() const { return welcome_; }
  const std::string& failure() const { return failure_; }  // why rejected or fenced
  int64_t silent_ms(int64_t now_ms) const { return now_ms - last_heard_ms_; }
  const WorkerClient::Stats& stats() const { return stats_; }
  size_t unacked() const { return pending_.size(); }

 private:
  struct Pending {
    LeaseId lease;
    MessageType type{};
    std::vector<std::byte> frame;
    int64_t due_ms = 0;
    int64_t backoff_ms = 0;
  };
  struct LeaseState {
    uint64_t progress = 0;
    bool taken = false;
  };

  template <class M>
  std::vector<std::byte> frame_of(LeaseId lease, uint64_t seq, const M& message) const;
  std::vector<std::byte> hello();
  Frames begin_hello(int64_t now_ms);
  void on_refused(const FrameView& view);
  Frames on_welcome(const Welcome& welcome, int64_t now_ms);
  template <class M>
  void queue_decoded(const FrameView& view);
  void on_cancel(LeaseId lease);
  void settle(uint64_t seq);
  void finish_lease(LeaseId lease);
  int64_t jittered(int64_t delay_ms);
  void send_due(int64_t now_ms, Frames& out);

  const WorkerClientOptions options_;
  const WorkerEpoch epoch_;
  ClientState state_ = ClientState::kHelloSent;
  std::optional<Welcome> welcome_;
  std::string failure_;
  std::vector<ServedVersion> served_;
  uint64_t next_seq_ = 1;
  int64_t last_heard_ms_;
  int64_t next_hello_ms_;
  int64_t next_heartbeat_ms_ = 0;
  PhiloxStream jitter_;
  std::deque<Task> tasks_;
  std::map<LeaseId, LeaseState> leases_;  // ordered, so that heartbeats do not depend on hashing
  std::unordered_set<LeaseId> finished_;  // so that a task sent twice is not done twice
  std::deque<LeaseId> finished_order_;
  std::map<uint64_t, Pending> pending_;
  std::vector<LeaseId> cancelled_;  // taken, not wanted any more, not yet told
  std::optional<Shutdown> shutdown_;
  bool checkpoint_queued_ = false;
  WorkerClient::Stats stats_;
};

}  // namespace prosodia::protocol
