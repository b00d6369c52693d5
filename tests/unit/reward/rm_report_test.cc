#include "reward/rm_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "reward/rm_report_text.h"

namespace prosodia {
namespace {

using testing::HasSubstr;

RmRecord record(double grade, double prescribed) {
  return {.id = "r", .prescribed = {prescribed, 3, 3, prescribed}, .score = checked_score({grade, 2, 4, grade})};
}
RmRecord failed(ScoreStatus status, std::string detail) {
  return {.id = "f", .prescribed = {1, 1, 1, 1}, .score = {status, {}, std::move(detail)}};
}

std::vector<RmRecord> some_records() {
  std::vector<RmRecord> records;
  for (int i = 0; i < 40; ++i) records.push_back(record(1 + (i % 9) * 0.5, 1 + (i * 7) % 5));
  return records;
}

TEST(RmReport, RecordsWithoutAGradeAreCountedByReasonAndNeverCompared) {
  std::vector<RmRecord> records = some_records();
  const auto whole = report_rm(records, {.bootstrap_samples = 0});
  records.insert(records.begin(), failed(ScoreStatus::kUnparsable, "mass 0.1"));
  records.push_back(failed(ScoreStatus::kTimeout, "late"));
  records.push_back(failed(ScoreStatus::kError, "no audio"));
  records.push_back(failed(ScoreStatus::kUnparsable, "mass 0.2"));
  const auto report = report_rm(records, {.bootstrap_samples = 0});
  ASSERT_TRUE(report && whole);
  EXPECT_EQ(report->records, 44);
  EXPECT_EQ(report->graded, 40);
  EXPECT_DOUBLE_EQ(report->unparsable.value, 2.0 / 44);
  EXPECT_EQ(report->timeouts, 1);
  EXPECT_EQ(report->errors, 1);
  EXPECT_EQ(report->first_failure, "f: mass 0.1");
  EXPECT_EQ(report->criteria[0].spearman.value, whole->criteria[0].spearman.value);
  EXPECT_EQ(report->mean.mean_absolute_error.value, whole->mean.mean_absolute_error.value);
}

TEST(RmReport, CalibrationBinsCoverTheScaleWithItsEnds) {
  const std::vector<RmRecord> records = {record(1, 2), record(1.4, 1), record(3.5, 5), record(5, 4)};
  const auto report = report_rm(records, {.bootstrap_samples = 0});
  const auto& bins = report->criteria[0].bins;
  ASSERT_EQ(bins.size(), 8u);
  EXPECT_EQ(bins[0].records, 2);
  EXPECT_DOUBLE_EQ(bins[0].mean_grade, 1.2);
  EXPECT_DOUBLE_EQ(bins[0].mean_prescribed, 1.5);
  EXPECT_EQ(bins[5].records, 1) << "3.5 begins a bin";
  EXPECT_EQ(bins[7].records, 1) << "5 belongs to the last";
  EXPECT_TRUE(std::isnan(bins[3].mean_grade));
  EXPECT_NEAR(report->criteria[0].calibration_error.value, (2 * 0.3 + 1.5 + 1) / 4, 1e-12);
}

TEST(RmReport, IntervalsHoldTheValueAndFollowTheSeedAlone) {
  const auto records = some_records();
  const auto a = report_rm(records, {.bootstrap_samples = 200, .seed = 3});
  const auto b = report_rm(records, {.bootstrap_samples = 200, .seed = 3});
  const auto c = report_rm(records, {.bootstrap_samples = 200, .seed = 4});
  const Estimate& e = a->criteria[0].mean_absolute_error;
  EXPECT_LT(e.low, e.value);
  EXPECT_GT(e.high, e.value);
  EXPECT_EQ(e.low, b->criteria[0].mean_absolute_error.low);
  EXPECT_NE(e.low, c->criteria[0].mean_absolute_error.low);
}

TEST(RmReport, BadInputIsRefusedByName) {
  EXPECT_EQ(report_rm({}, {}).error().code, ErrorCode::kInvalidInput);
  const std::vector<RmRecord> records = {record(2, 6)};
  EXPECT_THAT(report_rm(records, {}).error().message, HasSubstr("r: prescribed factual_alignment 6"));
  EXPECT_EQ(report_rm(some_records(), {.bootstrap_samples = 3}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(report_rm(some_records(), {.calibration_bins = 0}).error().code, ErrorCode::kUsage);
}

TEST(RmReport, WritersShowEveryCriterionAndNoFalseZero) {
  const auto all_failed = std::vector<RmRecord>(3, failed(ScoreStatus::kUnparsable, "<mass>"));
  const auto report = report_rm(all_failed, {.bootstrap_samples = 20});
  ASSERT_TRUE(report);
  const nlohmann::json json = to_json(*report);
  EXPECT_TRUE(json.at("criteria").at("caption_completeness").at("spearman").at("value").is_null());
  EXPECT_EQ(json.at("unparsable").at("value"), 1);
  const std::string text = to_text(*report), html = to_html(*report, {.title = "RM", .model = "m", .dataset = "d"});
  for (size_t j = 0; j < kNumCriteria; ++j) {
    EXPECT_THAT(text, HasSubstr(std::string(name(static_cast<Criterion>(j)))));
    EXPECT_THAT(html, HasSubstr(std::string(name(static_cast<Criterion>(j)))));
  }
  EXPECT_THAT(text, HasSubstr("–"));
  EXPECT_THAT(html, HasSubstr("&lt;mass&gt;"));
  EXPECT_THAT(to_text(*report_rm(some_records(), {.bootstrap_samples = 0})), HasSubstr("→"));
}

}  // namespace
}  // namespace prosodia
