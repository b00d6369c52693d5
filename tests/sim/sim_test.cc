// Deterministic simulation of whole runs. PROSODIA_SIM_SEEDS sets the number of seeds (default 200), PROSODIA_SIM_SEED
// runs one; a failure prints the seed and how to run it again.
#include <gtest/gtest.h>

#include <cstdio>
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
    EXPECT_EQ(outcome.learner_steps, 40u);  // nothing is trained twice without faults
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
  for (uint64_t seed = 11; seed < 20; ++seed) {
    const Outcome first = run_cluster(options_for(seed));
    const Outcome second = run_cluster(options_for(seed));
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.duration_ms, second.duration_ms) << "seed " << seed;
    EXPECT_EQ(first.counters.reasons, second.counters.reasons) << "seed " << seed;
  }
  const Outcome first = run_cluster(options_for(11));
  EXPECT_NE(first.trace_hash, run_cluster(options_for(14)).trace_hash);
}

// Everything that the seeds have in common.
struct Sum {
  uint64_t runs = 0, boots = 0, replayed = 0, reloads = 0, archive_reloads = 0, folded = 0;
  uint64_t acknowledged = 0, lost = 0, trained_twice = 0;
  int64_t virtual_ms = 0;
  std::map<std::string, uint64_t> injected;
  core::ReasonCounts reasons;
  uint64_t rejected[protocol::kNumRefusalReasons] = {};

  void add(const Outcome& outcome) {
    ++runs;
    virtual_ms += outcome.duration_ms;
    boots += outcome.coordinator_boots - 1;
    replayed += outcome.counters.steps_replayed;
    reloads += outcome.reloads;
    archive_reloads += outcome.archive_reloads;
    folded += outcome.folded_steps;
    acknowledged += outcome.acknowledged;
    lost += outcome.lost;
    trained_twice += outcome.trained_twice;
    for (const auto& [fault, count] : outcome.injected) injected[fault] += count;
    for (const auto& [reason, count] : outcome.counters.reasons) reasons[reason] += count;
    for (int i = 0; i < protocol::kNumRefusalReasons; ++i) rejected[i] += outcome.counters.results_rejected[i];
  }
  void print() const {
    fmt::print("{} simulated runs, {} virtual seconds; faults injected:\n", runs, virtual_ms / 1000);
    for (const auto& [fault, count] : injected) fmt::print("  {:9} {}\n", count, fault);
    fmt::print("results refused:\n");
    for (int i = 1; i < protocol::kNumRefusalReasons; ++i) {
      fmt::print("  {:9} {}\n", rejected[i], protocol::name(static_cast<protocol::RefusalReason>(i)));
    }
    fmt::print("transitions with a reason:\n");
    for (const auto& [reason, count] : reasons) fmt::print("  {:9} {}\n", count, reason);
    fmt::print(
        "coordinator restarts {}, steps replayed {}, batches read back {} times ({} steps from the archive), steps "
        "folded "
        "{}\nresults acknowledged {}, acknowledged results lost = {}, steps trained twice = {}\n",
        boots, replayed, reloads, archive_reloads, folded, acknowledged, lost, trained_twice);
  }
};

// The faults must reach what they are there for: over enough seeds each of these happens.
void expect_everything_happened(const Sum& sum) {
  for (const char* fault : {"frames dropped",
                            "frames duplicated",
                            "frames delayed",
                            "frames lost in partitions",
                            "partitions, one way",
                            "partitions, both ways",
                            "partitions of everybody",
                            "swizzles",
                            "processes killed",
                            "learners killed",
                            "coordinators killed",
                            "coordinators killed in a commit",
                            "everything killed at once",
                            "processes stopped (SIGSTOP) past their lease",
                            "processes stopped for good",
                            "coordinators stopped (SIGSTOP)",
                            "graceful stops, and the same command again",
                            "workers wedged, heartbeats go on",
                            "reward workers that never answer",
                            "learners stuck in a collective",
                            "checkpoints lost",
                            "slow disks",
                            "slow syncs",
                            "full disks",
                            "failed fsyncs",
                            "journal syncs failed",
                            "starts on a full or failing disk",
                            "journal retirements",
                            "tasks stuck past their lease",
                            "tasks slow but moving",
                            "tasks failed"}) {
    EXPECT_TRUE(sum.injected.contains(fault)) << fault;
  }
  for (const char* reason : {"worker/lost",
                             "worker/fenced",
                             "worker/wedged",
                             "worker/overdue",
                             "worker/came_back",
                             "worker/refused/dead/traffic",
                             "worker/refused/wedged/traffic",
                             "worker/refused/fenced/traffic",
                             "lease/expired",
                             "lease/failed",
                             "lease/lost",
                             "lease/revoked",
                             "lease/superseded",
                             "group/late_rollout",
                             "group/late_reward",
                             "group/rollout_requeued",
                             "group/reward_requeued",
                             "batch/resent",
                             "batch/returned",
                             "batch/replayed",
                             "batch/done_again",
                             "checkpoint/committed",
                             "checkpoint/known",
                             "checkpoint/refused/behind/commit_ahead",
                             "learner/started",
                             "learner/went_on",
                             "learner/lost",
                             "learner/stuck"}) {
    EXPECT_TRUE(sum.reasons.contains(reason)) << reason;
  }
  using protocol::RefusalReason;
  for (const auto reason : {RefusalReason::kDuplicate, RefusalReason::kStaleLease, RefusalReason::kStaleEpoch,
                            RefusalReason::kIncomplete}) {
    EXPECT_GT(sum.rejected[static_cast<int>(reason)], 0u) << protocol::name(reason);
  }
  EXPECT_GT(sum.boots, sum.runs);
  EXPECT_GT(sum.replayed, sum.runs);
  EXPECT_GT(sum.archive_reloads, 0u);
  EXPECT_GT(sum.folded, 0u);
}

TEST(Simulation, AnyFaultsGiveTheFaultFreeRun) {
  Digest expected[3];
  for (uint32_t lag = 0; lag < 3; ++lag) expected[lag] = run_cluster(quiet(lag)).run_digest;
  const uint64_t only = from_environment("PROSODIA_SIM_SEED", 0);
  const uint64_t seeds = from_environment("PROSODIA_SIM_SEEDS", 200);
  Sum sum;
  for (uint64_t seed = only > 0 ? only : 1; seed <= (only > 0 ? only : seeds); ++seed) {
    SCOPED_TRACE(
        fmt::format("seed {0}; to run it alone: PROSODIA_SIM_SEED={0} sim_test "
                    "--gtest_filter=Simulation.AnyFaultsGiveTheFaultFreeRun",
                    seed));
    const ClusterOptions options = options_for(seed);
    const Outcome outcome = run_cluster(options);
    sum.add(outcome);
    EXPECT_TRUE(outcome.complete && outcome.violations.empty()) << joined(outcome.violations);
    EXPECT_EQ(outcome.run_digest, expected[options.lag]);
    if (only > 0) fmt::print("trace hash {:016x}, {} ms\n", outcome.trace_hash, outcome.duration_ms);
    if (HasFailure()) break;
    if (seed % 1000 == 0) {  // somebody waits for 10,000
      fmt::print("{} seeds, none failed\n", seed);
      std::fflush(stdout);
    }
  }
  sum.print();
  if (only == 0 && seeds >= 200 && !HasFailure()) expect_everything_happened(sum);
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
