// Deterministic simulation of whole runs. PROSODIA_SIM_SEEDS sets the number of seeds (default 120), PROSODIA_SIM_SEED
// runs one; a failure prints the seed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/sim/cluster.h"

namespace prosodia::sim {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Worker counts, slots and lag vary with the seed; the run's content must not.
ClusterOptions options_for(uint64_t seed) {
  ClusterOptions options;
  options.seed = seed;
  options.lag = static_cast<uint32_t>(seed % 3);
  options.rollout_workers = 1 + static_cast<uint32_t>(seed / 3 % 4);
  options.reward_workers = 1 + static_cast<uint32_t>(seed / 7 % 3);
  options.slots = 1 + static_cast<uint32_t>(seed / 5 % 3);
  return options;
}

ClusterOptions quiet(uint32_t lag) {
  ClusterOptions options;
  options.lag = lag;
  options.faults = false;
  return options;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines) out += "\n  " + line;
  return out;
}

TEST(Simulation, FaultFreeRunCompletes) {
  for (uint32_t lag : {0u, 1u, 2u, 5u}) {
    const Outcome outcome = run_cluster(quiet(lag));
    EXPECT_TRUE(outcome.complete);
    EXPECT_TRUE(outcome.violations.empty()) << joined(outcome.violations);
    EXPECT_EQ(outcome.learner_steps, 12u);  // nothing is trained twice without faults
    EXPECT_EQ(outcome.coordinator_boots, 1u);
  }
}

TEST(Simulation, DigestDependsOnLagButNotOnWorkers) {
  const Digest digest = run_cluster(quiet(1)).run_digest;
  EXPECT_NE(run_cluster(quiet(0)).run_digest, digest);
  ClusterOptions many = quiet(1);
  many.seed = 99;
  many.rollout_workers = 7;
  many.reward_workers = 4;
  many.slots = 1;
  EXPECT_EQ(run_cluster(many).run_digest, digest);
}

TEST(Simulation, SameSeedSameTrace) {
  const Outcome first = run_cluster(options_for(11));
  const Outcome second = run_cluster(options_for(11));
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.duration_ms, second.duration_ms);
  EXPECT_NE(first.trace_hash, run_cluster(options_for(14)).trace_hash);
}

TEST(Simulation, AnyFaultsGiveTheFaultFreeRun) {
  Digest expected[3];
  for (uint32_t lag = 0; lag < 3; ++lag) expected[lag] = run_cluster(quiet(lag)).run_digest;
  const uint64_t only = from_environment("PROSODIA_SIM_SEED", 0);
  const uint64_t seeds = from_environment("PROSODIA_SIM_SEEDS", 120);
  uint64_t boots = 0, replayed = 0, reloads = 0;
  core::Counters sum;
  for (uint64_t seed = only > 0 ? only : 1; seed <= (only > 0 ? only : seeds); ++seed) {
    const ClusterOptions options = options_for(seed);
    const Outcome outcome = run_cluster(options);
    ASSERT_TRUE(outcome.complete) << "seed " << seed << joined(outcome.violations);
    ASSERT_TRUE(outcome.violations.empty()) << "seed " << seed << joined(outcome.violations);
    ASSERT_EQ(outcome.run_digest, expected[options.lag]) << "seed " << seed;
    boots += outcome.coordinator_boots - 1;
    reloads += outcome.reloads;
    replayed += outcome.counters.steps_replayed;
    sum.leases_expired[0] += outcome.counters.leases_expired[0];
    sum.workers_fenced += outcome.counters.workers_fenced;
    sum.leases_superseded += outcome.counters.leases_superseded;
    for (int i = 0; i < protocol::kNumRefusalReasons; ++i) {
      sum.results_rejected[i] += outcome.counters.results_rejected[i];
    }
  }
  RecordProperty("coordinator_crashes", static_cast<int>(boots));
  RecordProperty("steps_replayed", static_cast<int>(replayed));
  if (only > 0 || seeds < 100) return;
  // The faults must reach what they are there for.
  EXPECT_GT(boots, 100u);
  EXPECT_GT(replayed, 100u);
  EXPECT_GT(reloads, 0u);
  EXPECT_GT(sum.leases_expired[0], 0u);
  EXPECT_GT(sum.workers_fenced, 0u);
  EXPECT_GT(sum.leases_superseded, 0u);
  EXPECT_GT(sum.results_rejected[static_cast<int>(protocol::RefusalReason::kDuplicate)], 0u);
  EXPECT_GT(sum.results_rejected[static_cast<int>(protocol::RefusalReason::kStaleLease)], 0u);
}

TEST(Simulation, GracefulStopWaitsForTheCheckpoint) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    ClusterOptions options = quiet(static_cast<uint32_t>(seed % 3));
    options.seed = seed;
    options.stop_at_ms = 1000 + static_cast<int64_t>(seed) * 200;
    const Outcome outcome = run_cluster(options);
    EXPECT_TRUE(outcome.stopped);
    EXPECT_TRUE(outcome.violations.empty()) << joined(outcome.violations);
    EXPECT_LT(outcome.duration_ms, options.stop_at_ms + 5000);
  }
}

}  // namespace
}  // namespace prosodia::sim
