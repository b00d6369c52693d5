// Workers and the learner in the simulated world: the real ClientCore, with content that is a pure function of
// (weights, group seed) in place of models. Each can crash and come back under a new epoch; the learner keeps its
// checkpoints.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/protocol/client_core.h"
#include "tests/sim/world.h"

namespace prosodia::sim {

// Sends a frame to the coordinator as `peer`.
using SendUp = std::function<void(const std::string& peer, std::vector<std::byte> frame)>;

class SimProcess {
 public:
  SimProcess(World& world, protocol::WorkerClientOptions options, SendUp send_up);
  virtual ~SimProcess() = default;

  void start();  // a new process: new epoch, nothing remembered but what is on disk
  void crash();
  void run_again(int64_t delay_ms);  // as a new process, whatever became of this one
  void pause(int64_t for_ms);        // SIGSTOP … SIGCONT: frames pile up, nothing is sent
  void receive(const std::vector<std::byte>& frame);
  bool up() const { return core_.has_value(); }
  // Lives and sends heartbeats, but none of its work moves on, until it is ended.
  void wedge() { wedged_ = true; }
  bool is_wedged() const { return wedged_; }
  int64_t started_ms() const { return started_ms_; }
  const std::string& peer() const { return peer_; }
  const std::string& name() const { return options_.name; }
  bool shut_down() const { return shut_down_; }
  std::vector<std::string> violations;

 protected:
  virtual void on_start() {}
  virtual void on_task(protocol::Task task) = 0;
  virtual bool can_take() const = 0;
  // Runs `work` after `delay_ms` unless the process died meanwhile or is wedged; waits for the end of a pause.
  void later(int64_t delay_ms, std::function<void()> work);
  void send(const protocol::ClientCore::Frames& frames);
  void pump();              // take tasks
  void fail_and_restart();  // exits with an error; its supervisor starts it again

  World& world_;
  protocol::WorkerClientOptions options_;
  std::optional<protocol::ClientCore> core_;

 private:
  void poll(uint64_t incarnation);

  SendUp send_up_;
  std::string peer_;
  uint64_t incarnation_ = 0;
  int64_t paused_until_ms_ = 0, started_ms_ = 0;
  bool wedged_ = false;
  std::vector<std::vector<std::byte>> piled_up_;
  bool shut_down_ = false;
};

// Rollout or reward worker.
class SimWorker : public SimProcess {
 public:
  using SimProcess::SimProcess;
  double failure_rate = 0;  // of tasks, as kUnavailable: the learner went away
  double stuck_rate = 0;    // of tasks, that outlast their lease
  double slow_rate = 0;     // of tasks, that take as long but show progress

 protected:
  void on_start() override { busy_ = 0; }
  void on_task(protocol::Task task) override;
  bool can_take() const override { return busy_ < options_.slots; }

 private:
  void show_progress(LeaseId lease, uint64_t counter, int64_t until_ms);
  uint32_t busy_ = 0;
};

protocol::RolloutResult fake_rollout(const protocol::TaskRollout& task);
protocol::RewardResult fake_reward(const protocol::TaskReward& task);

class SimLearner : public SimProcess {
 public:
  SimLearner(World& world, protocol::WorkerClientOptions options, SendUp send_up, uint64_t lag, uint64_t total_steps,
             uint64_t save_steps);
  void lose_checkpoints() { disk_.clear(); }
  uint64_t steps_trained() const { return steps_trained_; }

 protected:
  void on_start() override;
  void on_task(protocol::Task task) override;
  bool can_take() const override { return loaded_ && !busy_; }

 private:
  struct State {
    uint64_t version = 0;
    std::map<uint64_t, Digest> served;
  };
  void load();
  void announce();
  void train(LeaseId lease, const protocol::StepBatch& batch);
  void check(const protocol::StepBatch& batch);
  void save();

  const uint64_t lag_, total_steps_, save_steps_;
  std::map<uint64_t, State> disk_;  // checkpoints
  State state_;
  bool loaded_ = false, busy_ = false;
  std::optional<protocol::StepDone> last_done_;
  uint64_t steps_trained_ = 0;
};

}  // namespace prosodia::sim
