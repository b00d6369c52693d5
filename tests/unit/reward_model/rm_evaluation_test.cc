#include "workers/reward/rm_evaluation.h"

#include <gmock/gmock.h>

#include "tests/unit/reward_model/fixture.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class RmEvaluationTest : public RewardModelTest {
 protected:
  // Two clips, several rows each; the last row's audio is missing.
  std::vector<Sample> rows() const {
    std::vector<Sample> all;
    for (size_t i = 0; i < kResponses.size(); ++i) {
      all.push_back(row(kResponses[i], i < 4 ? "a.wav" : "b.wav"));
      all.back().messages.push_back({"assistant", rm_answer({1 + static_cast<int>(i % 5), 2, 3, 5})});
    }
    all.push_back(all.back());
    all.back().audios = {(dir_ / "gone.wav").string()};
    return all;
  }
  std::vector<RmRecord> graded(const std::vector<Sample>& samples, const RmShare& share) {
    RmGrader grader(*model_, slots_, {.min_digit_mass = 0});
    return value_of(grade_rm_rows(grader, *processor_, samples, share, [] { return false; }));
  }
};

TEST_F(RmEvaluationTest, EveryRowGetsItsOwnGradesAndPrescription) {
  const auto samples = rows();
  const auto records = graded(samples, {});
  ASSERT_EQ(records.size(), samples.size());
  RmGrader grader(*model_, slots_, {.min_digit_mass = 0});
  for (size_t i = 0; i + 1 < samples.size(); ++i) {
    EXPECT_EQ(records[i].prescribed, (Criteria{1.0 + static_cast<double>(i % 5), 2, 3, 5}));
    const EncodedPrompt asked = value_of(processor_->encode(samples[i], true));
    const EncodedPrompt* pointer = &asked;
    EXPECT_EQ(records[i].score.criteria, grader.grade(std::span(&pointer, 1), {})[0].criteria) << i;
  }
  EXPECT_EQ(records.back().score.status, ScoreStatus::kError);
  EXPECT_THAT(records.back().score.detail, HasSubstr("gone.wav"));
}

TEST_F(RmEvaluationTest, RanksShareTheWorkAndComeToTheSameRecords) {
  const auto samples = rows();
  const auto whole = graded(samples, {});
  // Both ranks' vectors, added up: what an all-reduce does.
  std::vector<std::vector<double>> sums(2);
  for (int pass = 0; pass < 2; ++pass) {
    for (int rank = 0; rank < 2; ++rank) {
      size_t call = 0;
      const RmShare share{rank, 2, [&](std::span<double> values) {
                            auto& sum = sums[call++ == 0 ? 0 : 1];
                            sum.resize(values.size());
                            if (pass == 0)
                              for (size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
                            else
                              std::ranges::copy(sum, values.begin());
                            return Status();
                          }};
      const auto records = graded(samples, share);
      if (pass == 0) continue;
      for (size_t i = 0; i < records.size(); ++i) {
        EXPECT_EQ(records[i].score.status, whole[i].score.status) << i;
        if (whole[i].score.status == ScoreStatus::kValue) {
          EXPECT_EQ(records[i].score.criteria, whole[i].score.criteria) << i;
        }
      }
    }
  }
}

TEST_F(RmEvaluationTest, AStopIsSaidToEveryRank) {
  RmGrader grader(*model_, slots_, {});
  const auto records = grade_rm_rows(grader, *processor_, rows(), {}, [] { return true; });
  ASSERT_FALSE(records);
  EXPECT_EQ(records.error().code, ErrorCode::kInterrupted);
}

TEST_F(RmEvaluationTest, RowsThatAreNoRewardModelRowsAreRefusedByName) {
  EXPECT_EQ(check_rm_rows(rows()), PromptStyle::kShort);
  const auto refused = [&](const std::function<void(std::vector<Sample>&)>& change) {
    auto samples = rows();
    change(samples);
    const auto checked = check_rm_rows(samples);
    return checked ? std::string("accepted") : checked.error().message;
  };
  EXPECT_THAT(refused([](auto& all) { all[2].messages.pop_back(); }), HasSubstr("no assistant turn"));
  EXPECT_THAT(refused([](auto& all) { all[1].messages[2].content = "{\"factual_alignment\":9}"; }),
              testing::AllOf(HasSubstr("row of <think>The pitch is low"), HasSubstr("factual_alignment"),
                             HasSubstr("data build")));
  EXPECT_THAT(refused([](auto& all) { all[0].messages[0].content = "You are helpful."; }), HasSubstr("instruction"));
  EXPECT_THAT(refused([](auto& all) { all[3].messages[0] = rm_messages(PromptStyle::kPaper, {})[0]; }),
              HasSubstr("prompt style"));
  EXPECT_THAT(refused([](auto& all) { all.clear(); }), HasSubstr("no reward-model rows"));
}

}  // namespace
}  // namespace prosodia
