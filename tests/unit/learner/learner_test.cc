// The learner loop against a coordinator that lives in the test: an in-process LearnerLink.
#include "workers/learner/learner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "orchestrator/protocol/bulk.h"
#include "tests/unit/learner/fixtures.h"
#include "workers/learner/collective_deadline.h"
#include "workers/learner/learner_state.h"
#include "workers/learner/replay.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;

// Plays the coordinator: hands out tasks in order, keeps what the learner says.
struct Script {
  std::deque<decltype(LearnerTask::body)> tasks;
  uint64_t resume_version = 0;
  LearnerHello hello;
  std::vector<protocol::StepDone> done;
  std::vector<uint64_t> committed;
  std::vector<protocol::ServedVersion> served;
  std::function<void()> on_step_done;
};

class ScriptedLink final : public LearnerLink {
 public:
  explicit ScriptedLink(Script& script) : script_(script) {}
  uint64_t resume_version() const override { return script_.resume_version; }
  Result<LearnerTask> next(std::chrono::milliseconds) override {
    if (script_.tasks.empty()) return fail(ErrorCode::kUnavailable, "the coordinator is gone");
    LearnerTask task{LeaseId(++lease_), std::move(script_.tasks.front())};
    script_.tasks.pop_front();
    return task;
  }
  void report_progress(LeaseId, uint64_t counter) override {
    EXPECT_GT(counter, progress_);
    progress_ = counter;
  }
  Status announce_weights(const std::vector<protocol::ServedVersion>& served) override {
    script_.served = served;
    return {};
  }
  Status step_done(LeaseId, const protocol::StepDone& done) override {
    script_.done.push_back(done);
    if (script_.on_step_done) script_.on_step_done();
    return {};
  }
  Status checkpoint_committed(const protocol::CheckpointCommitted& committed) override {
    script_.committed.push_back(committed.version.value);
    return {};
  }
  void flush() override {}

 private:
  Script& script_;
  uint64_t lease_ = 0, progress_ = 0;
};

class LearnerTest : public testing::Test {
 protected:
  LearnerTest() : ranks_(single_rank_collective()) {
    write_model_dir(dir_ / "model");
    processor_ = value_of(Processor::load(dir_ / "model", std::make_shared<AudioStore>()));
    const auto model = value_of(load_model(dir_ / "model"));
    for (uint64_t step = 0; step < 4; ++step)  // lag 1: step t was sampled with version max(0, t - 1)
      batches_.push_back(sample_batch(*model, *processor_, dir_ / "model", step, step > 0 ? step - 1 : 0));
  }
  LearnerOptions options(const std::string& run) const {
    LearnerOptions options;
    options.model_dir = dir_ / "model";
    options.checkpoint_dir = dir_ / (run + "/checkpoints");
    options.grpo.schedule = {1e-3, LrSchedulerType::kLinear, 0, 0, 10};
    options.grpo.dataset_dir = dir_ / "model";
    options.lag = 1;
    options.save_steps = 2;
    options.save_total_limit = 5;
    return options;
  }
  Result<LearnerReport> run(const LearnerOptions& options, Script& script) {
    return run_learner(options, *ranks_, [&](const LearnerHello& hello) -> Result<std::unique_ptr<LearnerLink>> {
      script.hello = hello;
      return std::make_unique<ScriptedLink>(script);
    });
  }

  TempDir dir_;
  std::unique_ptr<Collective> ranks_;  // a test may put another one in its place
  std::unique_ptr<Processor> processor_;
  std::vector<protocol::StepBatch> batches_;
};

// One rank that notes how long it was told to wait for the others.
class NotedDeadlines final : public Collective {
 public:
  explicit NotedDeadlines(std::vector<std::chrono::milliseconds>& notes) : notes_(notes) {}
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Status broadcast(std::span<std::byte>, int) override { return {}; }
  Status all_reduce_sum(std::span<double>) override { return {}; }
  Status barrier() override { return {}; }
  Status reduce_scatter_sum(std::span<float>) override { return {}; }
  Status all_gather(std::span<float>) override { return {}; }
  void set_deadline(std::chrono::milliseconds deadline) override { notes_.push_back(deadline); }
  void abort(int exit_code, std::string_view) override { std::_Exit(exit_code); }

 private:
  std::vector<std::chrono::milliseconds>& notes_;
};

// A rank that stands still is found by what steps take here, not by the limit that loading and saving need.
TEST_F(LearnerTest, WaitsForTheOtherRanksByTheLengthOfItsSteps) {
  Script script;
  for (const auto& batch : {batches_[0], batches_[1]}) script.tasks.emplace_back(batch);
  script.tasks.emplace_back(protocol::Shutdown{0, "done"});
  std::vector<std::chrono::milliseconds> notes;
  ranks_ = std::make_unique<NotedDeadlines>(notes);
  LearnerOptions with_limit = options("deadlines");
  with_limit.collective_limit = std::chrono::hours(9);
  ASSERT_TRUE(run(with_limit, script));
  // Start; step 0; step 1 and, after it, the checkpoint.
  ASSERT_EQ(notes.size(), 5u);
  for (const size_t at : {0, 3}) EXPECT_EQ(notes[at], with_limit.collective_limit) << at;
  for (const size_t at : {1, 2, 4}) {
    EXPECT_GE(notes[at], CollectiveDeadline::kLeast) << at;
    EXPECT_LT(notes[at], with_limit.collective_limit) << at;
  }
}

TEST(CollectiveDeadline, IsTenTimesTheLongestStepBetweenAMinuteAndTheLimit) {
  using std::chrono::milliseconds;
  CollectiveDeadline deadline(milliseconds(600'000));
  EXPECT_EQ(deadline.of_step(), milliseconds(600'000)) << "nothing is known yet";
  deadline.on_step(milliseconds(12));
  EXPECT_EQ(deadline.of_step(), milliseconds(60'000));
  deadline.on_step(milliseconds(9'000));
  deadline.on_step(milliseconds(8'000));
  EXPECT_EQ(deadline.of_step(), milliseconds(90'000));
  deadline.on_step(milliseconds(300'000));
  EXPECT_EQ(deadline.of_step(), milliseconds(600'000));
  CollectiveDeadline patient(milliseconds(0));
  patient.on_step(milliseconds(12));
  EXPECT_EQ(patient.of_step(), milliseconds(0)) << "0 = no limit";
}

TEST_F(LearnerTest, TrainsReportsServesAndCommits) {
  Script script;
  for (const auto& batch : batches_) script.tasks.emplace_back(batch);
  script.tasks.emplace_back(protocol::Shutdown{0, "done"});
  std::vector<std::byte> fetched;
  script.on_step_done = [&] {  // as a rollout worker would, while the learner goes on
    if (script.done.size() != 3) return;
    auto client = value_of(protocol::BulkClient::connect({.endpoint = script.hello.weights_endpoint}));
    fetched = value_of(client->fetch(PolicyVersion(2), script.done[1].weights_digest));
  };
  const auto report = run(options("a"), script);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->next_step, 4u);
  EXPECT_THAT(script.hello.resumable, ElementsAre(PolicyVersion(0)));
  ASSERT_EQ(script.done.size(), 4u);
  EXPECT_EQ(script.done[3].batch_digest, batches_[3].batch_digest);
  EXPECT_THAT(script.committed, testing::Contains(2u));
  EXPECT_EQ(script.committed.back(), 4u);
  EXPECT_EQ(script.served.size(), 3u) << "lag + 2";
  EXPECT_EQ(script.served.back().digest, report->weights);
  EXPECT_EQ(digest_weights(fetched), script.done[1].weights_digest);
  EXPECT_EQ(weights_hex(options("a").checkpoint_dir / "step-000004"), report->weights.hex());
}

TEST_F(LearnerTest, ARestartFromACheckpointGivesTheSameBits) {
  Script straight;
  for (const auto& batch : batches_) straight.tasks.emplace_back(batch);
  straight.tasks.emplace_back(protocol::Shutdown{0, "done"});
  ASSERT_TRUE(run(options("straight"), straight));

  Script lost;  // the coordinator goes away after step 2: the learner saves version 3 and leaves
  for (int step = 0; step < 3; ++step) lost.tasks.emplace_back(batches_[static_cast<size_t>(step)]);
  const auto left = run(options("lost"), lost);
  ASSERT_FALSE(left);
  EXPECT_EQ(left.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(left.error().message, HasSubstr("version 3 is saved"));

  for (const uint64_t from : {uint64_t{3}, uint64_t{2}}) {  // version 2: step 2 is replayed
    Script again;
    again.resume_version = from;
    for (uint64_t step = from; step < 4; ++step) again.tasks.emplace_back(batches_[step]);
    again.tasks.emplace_back(protocol::Shutdown{6, "time is up"});
    const auto report = run(options("lost"), again);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
    EXPECT_THAT(again.hello.resumable, testing::Contains(PolicyVersion(from)));
    ASSERT_EQ(again.done.size(), 4 - from);
    for (uint64_t step = from; step < 4; ++step) {
      EXPECT_EQ(again.done[step - from].loss, straight.done[step].loss) << step;
      EXPECT_EQ(again.done[step - from].weights_digest, straight.done[step].weights_digest) << step;
    }
    EXPECT_EQ(again.served.size(), 3u) << "versions before the checkpoint are served again";
    EXPECT_EQ(again.done.back().metrics[3], straight.done.back().metrics[3]) << "num_tokens goes on";
  }
}

TEST_F(LearnerTest, AStepSentAgainIsAnsweredFromTheKeptOutcome) {
  Script script;
  script.tasks.emplace_back(batches_[0]);
  script.tasks.emplace_back(batches_[0]);
  script.tasks.emplace_back(protocol::Shutdown{0, "done"});
  const auto report = run(options("again"), script);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->next_step, 1u);
  ASSERT_EQ(script.done.size(), 2u);
  EXPECT_EQ(script.done[0].weights_digest, script.done[1].weights_digest);
}

TEST_F(LearnerTest, AStepOutOfOrderIsStale) {
  Script script;
  script.tasks.emplace_back(batches_[2]);
  EXPECT_EQ(run(options("stale"), script).error().code, ErrorCode::kStale);
}

TEST_F(LearnerTest, StoppingSavesAndIsInterrupted) {
  Script script;
  for (const auto& batch : batches_) script.tasks.emplace_back(batch);
  LearnerOptions stopped = options("stopped");
  stopped.stop_requested = [&] { return !script.done.empty(); };
  const auto report = run(stopped, script);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(exit_code(report.error().code), 6);
  EXPECT_THAT(script.committed, ElementsAre(1u));
  EXPECT_EQ(finish_process(*ranks_, tl::unexpected(report.error())), 6);
}

TEST_F(LearnerTest, CommitsWhenAsked) {
  Script script;
  script.tasks.emplace_back(batches_[0]);
  script.tasks.emplace_back(protocol::CheckpointRequest{"operator"});
  script.tasks.emplace_back(protocol::Shutdown{0, "done"});
  ASSERT_TRUE(run(options("asked"), script));
  EXPECT_THAT(script.committed, testing::Contains(1u));
}

TEST_F(LearnerTest, ReplayOfArchivedBatchesGivesTheRunsDigests) {
  Script live;
  for (const auto& batch : batches_) live.tasks.emplace_back(batch);
  live.tasks.emplace_back(protocol::Shutdown{0, "done"});
  const auto run_report = run(options("live"), live);
  ASSERT_TRUE(run_report);

  std::vector<Digest> digests;
  ReplayHooks hooks;
  hooks.batch_of = [&](uint64_t step) -> Result<std::optional<protocol::StepBatch>> {
    if (step == batches_.size()) return std::optional<protocol::StepBatch>();
    return batches_[step];
  };
  hooks.on_version = [&](const ReplayPosition& at) -> Result<bool> {
    EXPECT_EQ(at.version, digests.size());
    digests.push_back(at.weights);
    return true;
  };
  ReplayOptions replay_options{options("replay"), {}};
  replay_options.learner.checkpoint_dir.clear();
  const auto report = replay_steps(replay_options, *ranks_, hooks, dir_ / "replayed");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->weights, run_report->weights);
  ASSERT_EQ(digests.size(), batches_.size() + 1);
  for (size_t step = 0; step < batches_.size(); ++step) EXPECT_EQ(digests[step + 1], live.done[step].weights_digest);
  EXPECT_EQ(weights_hex(dir_ / "replayed"), report->weights.hex());
}

TEST_F(LearnerTest, AnInterruptedReplayGoesOnFromItsOwnCheckpoint) {
  std::vector<Digest> straight, cut;
  std::vector<Digest>* seen = &straight;
  std::vector<TensorChecksums> checksums;
  uint64_t stop_at = 1000;
  ReplayOptions replay_options{options("replay_cut"), {}};
  ReplayHooks hooks;
  hooks.batch_of = [&](uint64_t step) -> Result<std::optional<protocol::StepBatch>> {
    if (step == batches_.size()) return std::optional<protocol::StepBatch>();
    return batches_[step];
  };
  hooks.on_version = [&](const ReplayPosition& at) -> Result<bool> {
    if (at.outcome) seen->push_back(at.weights);
    checksums.push_back(at.tensor_checksums());
    return true;
  };
  replay_options.learner.stop_requested = [&] { return seen->size() >= stop_at; };
  ReplayOptions whole = replay_options;
  whole.learner.checkpoint_dir.clear();
  value_of(replay_steps(whole, *ranks_, hooks, {}));
  EXPECT_NE(checksums.front(), checksums.back());
  EXPECT_EQ(checksums.front().size(), checksums.back().size());

  seen = &cut;
  stop_at = 2;
  const auto stopped = replay_steps(replay_options, *ranks_, hooks, {});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  stop_at = 1000;
  const auto report = value_of(replay_steps(replay_options, *ranks_, hooks, {}));
  EXPECT_EQ(report.first_step, 2u);
  EXPECT_EQ(cut, straight);
}

TEST_F(LearnerTest, TheKlTermIsAgainstTheReferenceFolder) {
  const auto first_kl = [&](const std::filesystem::path& reference) {
    LearnerOptions options = this->options("kl");
    options.reference_dir = reference;
    auto state = value_of(LearnerState::load(options, *ranks_, options.model_dir));
    return metric(value_of(state->step(batches_[0])), "kl");
  };
  ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_ / "other"));  // not roughened: other weights
  EXPECT_NEAR(first_kl({}), 0, 1e-6) << "the initial policy is its own reference";
  EXPECT_GT(first_kl(dir_ / "other"), 1e-3);
}

}  // namespace
}  // namespace prosodia
