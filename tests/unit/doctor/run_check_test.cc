// What only a forger or a mix-up of folders can bring about, so that no run can be brought to show it: every file is
// whole, and they do not belong together. Damaged files: tests/e2e/doctor_test.sh.
#include "orchestrator/doctor/run_check.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "data/store/checkpoint_dir.h"
#include "data/store/journal.h"
#include "orchestrator/coordinator/journal_records.h"
#include "orchestrator/core/run_core.h"
#include "tests/unit/coordinator/archived_steps.h"

namespace prosodia::doctor {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::Not;
using testing_support::batches;

constexpr uint64_t kSteps = 4;

class RunCheckTest : public testing::Test {
 protected:
  RunCheckTest() : run_(fs::path(testing::TempDir()) / "doctor_run") { fs::remove_all(run_); }

  // The journal of kSteps trained steps; `change` may alter what is written of each.
  void write_journal(const std::function<void(core::StepTrained&)>& change = [](auto&) {}) {
    auto journal = Journal::open(posix_file_system(), run_ / "journal", [](const auto&) { return Status(); }).value();
    const auto append = [&](const core::Record& record) {
      const EncodedRecord encoded = encode_record(record);
      ASSERT_TRUE(journal->append(encoded.type, encoded.payload));
    };
    core::RunCreated created;
    created.config_digest = kConfig;
    created.seed = 3;
    created.prompts_per_step = 2;
    created.num_generations = 2;
    append(created);
    core::PlanOptions plan;
    plan.seed = created.seed;
    plan.prompts_per_step = created.prompts_per_step;
    plan.num_generations = created.num_generations;
    plan.lag = created.lag;
    Digest digest = core::initial_run_digest(plan);
    for (const ArchivedStep& step : batches(0, kSteps)) {
      core::StepTrained trained;
      trained.done = {step.batch.step,
                      PolicyVersion(step.batch.step.value + 1),
                      step.batch.batch_digest,
                      step.weights,
                      step.loss,
                      {}};
      trained.run_digest = digest = core::chain_run_digest(digest, step.batch.batch_digest, step.loss, step.weights);
      change(trained);
      append(trained);
    }
    ASSERT_TRUE(journal->sync());
  }
  void write_archive(const std::vector<ArchivedStep>& steps) {
    ASSERT_TRUE(write_segment(posix_file_system(), run_ / "rollouts", steps));
  }
  void write_checkpoint(uint64_t version, const Digest& weights) {
    CheckpointStore store(posix_file_system(), run_ / "checkpoints");
    ASSERT_TRUE(store.begin(version));
    ASSERT_TRUE(store.commit(version, {{"extra", {{"weights_digest", weights.hex()}}}}));
  }
  Findings check() const { return check_run(posix_file_system(), run_, {.config_digest = kConfig}); }

  static auto finding(Level level, const std::string& subject, const std::string& what) {
    return Contains(AllOf(Field(&Finding::level, level), Field(&Finding::subject, subject),
                          Field(&Finding::what, HasSubstr(what))));
  }
  static auto nothing_bad() { return Not(Contains(Field(&Finding::level, Level::kBad))); }

  const Digest kConfig = DigestBuilder().add("config").finish();
  const fs::path run_;
};

TEST_F(RunCheckTest, WhatBelongsTogetherIsSound) {
  write_journal();
  write_archive(batches(0, 2));
  write_archive(batches(2, 2));
  write_checkpoint(2, batches(1, 1)[0].weights);
  const Findings findings = check();
  EXPECT_THAT(findings, nothing_bad());
  EXPECT_THAT(findings, finding(Level::kOk, "run digest", "after 4 steps follows from every step"));
  EXPECT_THAT(findings, finding(Level::kOk, "rollouts", "steps 0 to 4, agree with the journal"));
  EXPECT_THAT(findings, finding(Level::kOk, "checkpoints/step-000002", "matches its manifest and the journal"));
}

TEST_F(RunCheckTest, RunDigestThatDoesNotFollowNamesTheFirstStep) {
  write_journal([](core::StepTrained& trained) {
    if (trained.done.step == StepId(2)) trained.done.loss += 1;  // the chain was made with another
  });
  EXPECT_THAT(check(), finding(Level::kBad, "run digest", "at step 2"));
  EXPECT_EQ(exit_code_of(check()), exit_code(ErrorCode::kCorruption));
}

TEST_F(RunCheckTest, StepThatTheJournalSkipsIsNamed) {
  write_journal([](core::StepTrained& trained) {
    if (trained.done.step == StepId(1)) trained.done.step = StepId(9);
  });
  EXPECT_THAT(check(), finding(Level::kBad, "run digest", "step 1 is not in the journal"));
}

TEST_F(RunCheckTest, SegmentOfAnotherRunIsNamedWithItsStep) {
  write_journal();
  auto foreign = batches(0, 2);
  foreign[1].weights = DigestBuilder().add("another run").finish();
  write_archive(foreign);
  EXPECT_THAT(check(), finding(Level::kBad, "rollouts/step-000000-000001.h5", "step 1 is not the one"));
}

TEST_F(RunCheckTest, SegmentWithAnotherLossIsNamedThoughItRoundsToTheSame) {
  write_journal();
  auto foreign = batches(0, 2);
  foreign[1].loss = std::nextafter(foreign[1].loss, 1.0);
  write_archive(foreign);
  EXPECT_THAT(check(), finding(Level::kBad, "rollouts/step-000000-000001.h5", "step 1 is not the one"));
}

TEST_F(RunCheckTest, CheckpointOfAnotherRunIsNamedAndNothingIsLeftToResumeFrom) {
  write_journal();
  write_checkpoint(2, DigestBuilder().add("another run").finish());
  const Findings findings = check();
  EXPECT_THAT(findings, finding(Level::kBad, "checkpoints/step-000002", "after step 1"));
  EXPECT_THAT(findings, finding(Level::kBad, "checkpoints", "none can be resumed from"));
  fs::remove_all(run_ / "checkpoints");
  write_checkpoint(2, DigestBuilder().add("another run").finish());
  write_checkpoint(3, batches(2, 1)[0].weights);
  EXPECT_THAT(check(), Not(finding(Level::kBad, "checkpoints", "none can be resumed from")));
}

TEST_F(RunCheckTest, CheckpointNewerThanTheJournalIsPassedOver) {
  write_journal();
  write_checkpoint(2, batches(1, 1)[0].weights);
  write_checkpoint(7, batches(6, 1)[0].weights);
  const Findings findings = check();
  EXPECT_THAT(findings, finding(Level::kWarn, "checkpoints/step-000007", "newer than anything in the journal"));
  EXPECT_THAT(findings, nothing_bad());
}

TEST_F(RunCheckTest, ConfigurationOfAnotherRunIsNamed) {
  write_journal();
  const Digest other = DigestBuilder().add("other").finish();
  EXPECT_THAT(check_run(posix_file_system(), run_, {.config_digest = other}),
              finding(Level::kBad, "config.ini", "it was edited"));
  EXPECT_THAT(check_run(posix_file_system(), run_, {}), finding(Level::kBad, "config.ini", "missing or not readable"));
}

}  // namespace
}  // namespace prosodia::doctor
