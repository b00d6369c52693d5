// The rollout worker over real sockets on loopback: a hand-driven coordinator and a real bulk server.
#include "workers/rollout/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "orchestrator/protocol/bulk.h"
#include "tests/support/hand_driven_coordinator.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/model/load.h"
#include "workers/model/weights.h"
#include "workers/rollout/generate.h"

namespace prosodia {
namespace {

using namespace testing_support;
using namespace protocol;
using std::chrono::milliseconds;

// Serves whatever versions the test puts in.
class WeightShelf {
 public:
  WeightShelf() { start("tcp://127.0.0.1:*"); }
  void start(const std::string& endpoint) {
    server_ = value_of(BulkServer::start({.endpoint = endpoint}, [this](PolicyVersion version) {
      const std::lock_guard lock(mutex_);
      const auto found = shelf_.find(version.value);
      return found == shelf_.end() ? nullptr : found->second;
    }));
  }
  Digest put(uint64_t version, std::vector<std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    shelf_[version] = make_snapshot(std::move(bytes));
    return shelf_[version]->digest;
  }
  std::string endpoint() const { return server_->endpoint(); }

 private:
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<const Snapshot>> shelf_;
  std::unique_ptr<BulkServer> server_;
};

class RolloutWorkerTest : public testing::Test {
 protected:
  RolloutWorkerTest() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_.path()));
    write_tone(dir_ / "a.wav", 0.6);
    model_ = value_of(load_model(dir_.path()));
    coordinator_.handler = [this](const std::string&, const FrameView& frame) { answer(frame); };
  }
  ~RolloutWorkerTest() override {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  void start_worker() {
    thread_ = std::thread([this] {
      WorkerClientOptions client_options;
      client_options.endpoint = coordinator_.endpoint();
      client_options.name = "rollout-0";
      client_options.connect_timeout = milliseconds(20'000);
      auto client = WorkerClient::connect(client_options);
      if (!client) {
        outcome_ = tl::unexpected(client.error());
      } else {
        outcome_ = run_rollout_worker(options(), **client);
      }
      finished_ = true;
    });
    ASSERT_TRUE(run_until([&] { return !coordinator_.peer.empty(); }));
  }
  RolloutWorkerOptions options() {
    RolloutWorkerOptions options;
    options.model_dir = dir_.path();
    options.dataset_dir = dir_.path();
    options.sampling.max_completion_length = max_completion_length_;
    options.engine.max_rows = max_rows_;
    options.weights_timeout = milliseconds(300);
    options.stop_requested = [this] { return stop_.load(); };
    return options;
  }

  template <class M>
  void send(const M& message, uint64_t lease = 0) {
    coordinator_.send(coordinator_.peer, message, lease);
  }
  TaskRollout task(uint64_t group, uint64_t version, const Digest& digest) {
    TaskRollout task;
    task.group_id = GroupId(group);
    task.policy_version = PolicyVersion(version);
    task.weights_endpoint = shelf_.endpoint();
    task.weights_digest = digest;
    task.num_generations = 3;
    task.seed = 1000 + group;
    task.row_json = R"({"messages":[{"role":"user","content":"<audio>Which emotion?"}],"audios":["a.wav"]})";
    return task;
  }

  bool run_until(const std::function<bool()>& done) { return coordinator_.run_until(done); }
  void answer(const FrameView& view) {
    coordinator_.greet(coordinator_.peer, view);
    const FrameHeader& header = view.header;
    if (header.type == MessageType::kHeartbeat) {
      const auto beat = value_of(decode<Heartbeat>(view.payload));
      for (const auto& lease : beat.leases) progress_ = std::max(progress_, lease.progress);
    }
    if (header.type == MessageType::kRolloutResult) {
      results_[header.lease_id.value] = value_of(decode<protocol::RolloutResult>(view.payload));
      send(ResultAck{header.seq});
    }
    if (header.type == MessageType::kTaskFailed) {
      failures_[header.lease_id.value] = value_of(decode<TaskFailed>(view.payload));
      send(ResultAck{header.seq});
    }
  }

  // What the engine draws for a task with these weights, without any worker.
  std::vector<prosodia::Completion> expected(const TaskRollout& task, const std::vector<std::byte>& weights) {
    const auto model = value_of(load_model(dir_.path()));
    ok(unpack_weights(weights, *model));
    const auto processor = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>()));
    Engine engine(*model, complete_sampling(options().sampling, model->config(), *processor));
    const Sample sample = value_of(parse_sample(task.row_json, dir_.path(), "task", 1));
    ok(engine.submit({.id = 1,
                      .prompt = std::make_shared<EncodedPrompt>(value_of(processor->encode(sample, true))),
                      .num_generations = static_cast<int>(task.num_generations),
                      .seed = task.seed}));
    std::vector<GenerationResult> results;
    while (results.empty()) results = engine.step();
    return results[0].completions;
  }
  void expect_result(uint64_t lease, const TaskRollout& task, const std::vector<std::byte>& weights) {
    ASSERT_TRUE(results_.contains(lease)) << lease;
    const protocol::RolloutResult& result = results_[lease];
    EXPECT_EQ(result.group_id, task.group_id);
    EXPECT_EQ(result.policy_version, task.policy_version);
    const auto wanted = expected(task, weights);
    ASSERT_EQ(result.completions.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(result.completions[i].token_ids, wanted[i].token_ids);
      EXPECT_EQ(result.completions[i].logprobs, wanted[i].logprobs);
    }
  }
  std::vector<std::byte> weights_of_seed(uint64_t seed) const {
    const auto model = Model::random(model_->config(), seed);
    roughen(*model, seed);
    return pack_weights(*model);
  }

  TempDir dir_;
  std::shared_ptr<Model> model_;
  WeightShelf shelf_;
  testing_support::HandDrivenCoordinator coordinator_;
  std::map<uint64_t, protocol::RolloutResult> results_;
  std::map<uint64_t, TaskFailed> failures_;
  uint64_t progress_ = 0;
  int max_completion_length_ = 10, max_rows_ = 64;
  std::atomic<bool> stop_ = false, finished_ = false;
  Status outcome_;
  std::thread thread_;
};

TEST_F(RolloutWorkerTest, SamplesEveryLeaseWithTheWeightsItNames) {
  const auto initial = pack_weights(*model_);
  const auto newer = weights_of_seed(21);
  const Digest digest0 = shelf_.put(0, initial), digest1 = shelf_.put(1, newer);
  EXPECT_EQ(digest0, digest_weights(initial)) << "server and worker must hash alike";
  start_worker();
  // Versions alternate, and must not mix.
  const std::vector<std::pair<uint64_t, TaskRollout>> leases = {
      {11, task(0, 0, digest0)}, {12, task(1, 1, digest1)}, {13, task(2, 0, digest0)}, {14, task(3, 1, digest1)}};
  for (const auto& [lease, rollout] : leases) send(rollout, lease);
  ASSERT_TRUE(run_until([&] { return results_.size() == 4; }));
  for (const auto& [lease, rollout] : leases) {
    expect_result(lease, rollout, rollout.policy_version.value == 0 ? initial : newer);
  }
  send(Shutdown{0, "done"});
  ASSERT_TRUE(run_until([&] { return finished_.load(); }));
  EXPECT_TRUE(outcome_);
}

// A learner that restarts listens on another port. Leases that name the old one must not stay in front of fresh ones.
TEST_F(RolloutWorkerTest, LeasesOfAServerThatLeftAreGivenBackAndFreshOnesRun) {
  const auto newer = weights_of_seed(22);
  const Digest digest = shelf_.put(5, newer);
  const TaskRollout old = task(7, 5, digest), other_old = task(8, 5, digest);
  shelf_.start("tcp://127.0.0.1:*");  // bound before the old server ends, so the ports differ
  const TaskRollout fresh = task(7, 5, digest);
  ASSERT_NE(old.weights_endpoint, fresh.weights_endpoint);
  start_worker();
  send(old, 31);
  send(other_old, 32);
  send(fresh, 33);  // the same group, granted anew after its lease expired
  ASSERT_TRUE(run_until([&] { return results_.contains(33) && failures_.size() == 2; }));
  for (const uint64_t lease : {31, 32}) {
    EXPECT_EQ(failures_[lease].code, ErrorCode::kUnavailable) << "a code that costs the group no try";
    EXPECT_THAT(failures_[lease].message, testing::HasSubstr(old.weights_endpoint));
  }
  EXPECT_EQ(results_.size(), 1u);
  expect_result(33, fresh, newer);
}

TEST_F(RolloutWorkerTest, BadRowsAndGoneVersionsAreReportedAndWorkGoesOn) {
  const Digest digest0 = digest_weights(pack_weights(*model_));
  start_worker();
  TaskRollout bad = task(1, 0, digest0);
  bad.row_json = R"({"messages":[{"role":"user","content":"<audio>"}],"audios":["missing.wav"]})";
  send(bad, 41);
  send(task(2, 9, DigestBuilder().add(std::string_view("no such version")).finish()), 42);
  const TaskRollout good = task(3, 0, digest0);
  send(good, 43);
  ASSERT_TRUE(run_until([&] { return failures_.size() == 2 && results_.contains(43); }));
  EXPECT_EQ(failures_[41].code, ErrorCode::kInvalidInput);
  EXPECT_THAT(failures_[41].message, testing::HasSubstr("missing.wav"));
  EXPECT_EQ(failures_[42].code, ErrorCode::kStale);
  expect_result(43, good, pack_weights(*model_));
}

// A lease cancelled in mid-sampling: nothing is sent for it, and its rows go to a group that is wanted.
TEST_F(RolloutWorkerTest, ACancelledLeaseFreesItsRows) {
  const auto initial = pack_weights(*model_);
  const Digest digest = shelf_.put(0, initial);
  max_completion_length_ = 400;
  max_rows_ = 3;  // the first group takes all rows
  start_worker();
  TaskRollout unwanted = task(1, 0, digest);
  unwanted.num_generations = 200;  // seconds of work: the cancellation finds it underway on any machine
  const TaskRollout wanted = task(2, 0, digest);
  send(unwanted, 51);
  ASSERT_TRUE(run_until([&] { return progress_ > 0; }));  // it samples
  send(CancelLease{}, 51);
  send(wanted, 52);
  ASSERT_TRUE(run_until([&] { return results_.contains(52); }));
  EXPECT_FALSE(results_.contains(51)) << "cancelled too late for this test: make the completions longer";
  EXPECT_FALSE(failures_.contains(51));
  expect_result(52, wanted, initial);
}

TEST_F(RolloutWorkerTest, ShutdownCodesAndStopRequestsReachTheCaller) {
  start_worker();
  send(Shutdown{6, "time limit"});
  ASSERT_TRUE(run_until([&] { return finished_.load(); }));
  ASSERT_FALSE(outcome_);
  EXPECT_EQ(outcome_.error().code, ErrorCode::kInterrupted);
  EXPECT_THAT(outcome_.error().message, testing::HasSubstr("time limit"));
}

}  // namespace
}  // namespace prosodia
