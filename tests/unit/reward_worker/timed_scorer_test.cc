#include "workers/reward/timed_scorer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include "tests/unit/reward_worker/scripted_scorer.h"

namespace prosodia {
namespace {

using std::chrono::milliseconds;

constexpr TimedScorerOptions kShort{.limit = milliseconds(50), .grace = milliseconds(20), .tick = milliseconds(5)};
constexpr TimedScorerOptions kLong{.limit = milliseconds(20000), .grace = milliseconds(5000), .tick = milliseconds(5)};

const std::vector<std::string> kTwo{"a", "b"};
bool go_on() { return true; }

// Blocks scorers until released; the destructor releases, so that no test leaves a thread behind.
class Latch {
 public:
  ~Latch() { release(); }
  void release() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(TimedScorer, PassesValuesOn) {
  auto scorer = std::make_shared<ScriptedScorer>([](const ScoringRequest& request, std::stop_token) {
    EXPECT_EQ(request.row.at("id"), "u1");
    EXPECT_EQ(request.responses[1], "b");
    return threes(request);
  });
  TimedScorer timed(scorer, kLong);
  for (int round = 0; round < 3; ++round) {
    const auto scores = timed.score({{"id", "u1"}}, kTwo, go_on);
    ASSERT_EQ(scores.size(), 2u);
    EXPECT_EQ(scores[0].status, ScoreStatus::kValue);
  }
  EXPECT_EQ(scorer->calls, 3);
  EXPECT_TRUE(timed.score(nullptr, {}, go_on).empty() || scorer->calls == 4);
}

TEST(TimedScorer, BadScorersAreErrors) {
  const auto first = [](ScriptedScorer::Script script) {
    TimedScorer timed(std::make_shared<ScriptedScorer>(std::move(script)), kLong);
    return timed.score(nullptr, kTwo, go_on).at(0);
  };
  const auto thrown = first([](const auto&, auto) -> std::vector<ReasoningScore> { throw std::runtime_error("bang"); });
  EXPECT_EQ(thrown.status, ScoreStatus::kError);
  EXPECT_NE(thrown.detail.find("bang"), std::string::npos);
  EXPECT_EQ(first([](const auto&, auto) { return std::vector<ReasoningScore>(1); }).status, ScoreStatus::kError);
  EXPECT_EQ(first([](const auto&, auto) {
              return std::vector<ReasoningScore>(2, {ScoreStatus::kValue, {0, 9, 3, 3}, ""});
            }).status,
            ScoreStatus::kUnparsable);
}

TEST(TimedScorer, StuckScorerCostsTimeoutsOnly) {
  const auto latch = std::make_shared<Latch>();
  auto scorer = std::make_shared<ScriptedScorer>([latch](const ScoringRequest& request, std::stop_token) {
    latch->wait();
    return threes(request);
  });
  TimedScorer timed(scorer, kShort);
  int ticks = 0;
  const auto scores = timed.score(nullptr, kTwo, [&] { return ++ticks > 0; });
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[1].status, ScoreStatus::kTimeout);
  EXPECT_GT(ticks, 0);
  EXPECT_FALSE(timed.is_stuck());                       // slow, so far
  const auto next = timed.score(nullptr, kTwo, go_on);  // the first still runs
  EXPECT_EQ(next[0].status, ScoreStatus::kTimeout);
  EXPECT_NE(next[0].detail.find("busy"), std::string::npos);
  EXPECT_TRUE(timed.is_stuck());
  EXPECT_EQ(scorer->calls, 1);
  latch->release();
  // Free again: the given-up group's scores go to nobody.
  std::vector<ReasoningScore> later;
  for (int tries = 0; tries < 200; ++tries) {
    later = timed.score(nullptr, {"c"}, go_on);
    if (later[0].status == ScoreStatus::kValue) break;
  }
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].status, ScoreStatus::kValue);
  EXPECT_FALSE(timed.is_stuck());
}

TEST(TimedScorer, KeepsWhatIsReadyWhenStopIsHeard) {
  auto scorer = std::make_shared<ScriptedScorer>([](const ScoringRequest&, std::stop_token stop) {
    Latch stopped;
    std::stop_callback heard(stop, [&] { stopped.release(); });
    stopped.wait();
    return std::vector<ReasoningScore>{checked_score({4, 4, 4, 4}), {ScoreStatus::kTimeout, {}, "stopped"}};
  });
  auto options = kShort;
  options.grace = milliseconds(10000);
  TimedScorer timed(scorer, options);
  const auto scores = timed.score(nullptr, kTwo, go_on);
  EXPECT_EQ(scores[0].status, ScoreStatus::kValue);
  EXPECT_EQ(scores[1].status, ScoreStatus::kTimeout);
}

TEST(TimedScorer, GivesUpWhenTold) {
  const auto latch = std::make_shared<Latch>();
  auto scorer = std::make_shared<ScriptedScorer>([latch](const ScoringRequest& request, std::stop_token stop) {
    std::stop_callback heard(stop, [&] { latch->release(); });
    latch->wait();
    return threes(request);
  });
  TimedScorer timed(scorer, kLong);
  const auto begin = std::chrono::steady_clock::now();
  timed.score(nullptr, kTwo, [] { return false; });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(15000));  // the limit is 20 s
}

}  // namespace
}  // namespace prosodia
