// evaluation_sets.h, evaluation_compare.h, evaluation_sets_report.h.
#include "reward/evaluation_sets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "reward/evaluation_compare.h"
#include "reward/evaluation_sets_report.h"
#include "reward/evaluation_tables.h"

namespace prosodia {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

EvalRecord emotion(int id, const char* label, const char* prediction) {
  EvalRecord record;
  record.id = std::to_string(id);
  record.label = label;
  record.prediction = prediction;
  return record;
}

EvalRecord prosody(int id, const char* attribute, bool right) {
  EvalRecord record;
  record.id = std::to_string(id);
  record.label = "high";
  record.attribute = attribute;
  record.attribute_right = right;
  record.prediction = right ? "high" : "low";
  return record;
}

std::vector<EvalRecord> emotions(int size, int right) {
  std::vector<EvalRecord> records;
  for (int i = 0; i < size; ++i)
    records.push_back(emotion(i, i % 2 ? "sad" : "happy", i < right ? (i % 2 ? "sad" : "happy") : "fear"));
  return records;
}

TEST(EvaluateSets, AveragesAreMeansOverSetsNotRecords) {
  const std::vector<EvalSetRecords> sets = {{"large", emotions(300, 150)}, {"small", emotions(20, 18)}};
  const EvalSummary summary = evaluate_sets(sets, {}).value();
  EXPECT_DOUBLE_EQ(summary.sets[0].emotion->accuracy.value, 0.5);
  EXPECT_DOUBLE_EQ(summary.sets[1].emotion->accuracy.value, 0.9);
  EXPECT_DOUBLE_EQ(summary.emotion_average->accuracy.value, 0.7);
  EXPECT_EQ(summary.emotion_average->records, 320);
  EXPECT_FALSE(summary.prosody_average);
  // The variance of a mean of independent parts: its interval is narrower than the small set's, wider than a half of
  // it.
  const auto width = [](const Estimate& e) { return e.high - e.low; };
  EXPECT_LT(width(summary.emotion_average->accuracy), width(summary.sets[1].emotion->accuracy));
  EXPECT_GT(width(summary.emotion_average->accuracy), 0.45 * width(summary.sets[1].emotion->accuracy));
  EXPECT_FALSE(evaluate_sets(std::vector<EvalSetRecords>{{"empty", {}}}, {}));
}

// A set without grades is not in the average of the grades.
TEST(EvaluateSets, AMissingMetricIsLeftOutOfItsMean) {
  std::vector<EvalSetRecords> sets = {{"graded", emotions(30, 10)}, {"ungraded", emotions(30, 10)}};
  for (EvalRecord& record : sets[0].records) record.criteria = {4, 3, 2, 5};
  const EvalSummary summary = evaluate_sets(sets, {}).value();
  EXPECT_DOUBLE_EQ(summary.emotion_average->criteria_mean.value, 3.5);
  EXPECT_EQ(summary.emotion_average->graded, 30);
}

TEST(EvaluateSets, ProsodyIsCountedPerAttribute) {
  std::vector<EvalRecord> records;
  int id = 0;
  for (const auto& [attribute, right, wrong] :
       {std::tuple("stress", 1, 3), std::tuple("comparative_pitch", 2, 0), std::tuple("pitch", 3, 1)}) {
    for (int i = 0; i < right; ++i) records.push_back(prosody(id++, attribute, true));
    for (int i = 0; i < wrong; ++i) records.push_back(prosody(id++, attribute, false));
  }
  records.push_back(emotion(id, "sad", "sad"));
  const EvalSummary summary = evaluate_sets(std::vector<EvalSetRecords>{{"mixed", records}}, {}).value();
  const EvalReport& report = *summary.sets[0].prosody;
  EXPECT_EQ(report.records, 10);
  EXPECT_DOUBLE_EQ(report.accuracy.value, 0.6);
  EXPECT_DOUBLE_EQ(report.unweighted_average_recall.value, (0.75 + 0.25 + 1) / 3);
  std::vector<std::string> order;
  for (const LabelMetrics& label : report.labels) order.push_back(label.label);
  EXPECT_THAT(order, ElementsAre("pitch", "stress", "comparative_pitch"));
  EXPECT_DOUBLE_EQ(report.labels[1].recall.value, 0.25);
  EXPECT_EQ(summary.sets[0].emotion->records, 1);
  const auto json = to_json(summary);
  EXPECT_EQ(json["sets"][0]["prosody"]["attributes"]["stress"]["right"], 1);
  EXPECT_THAT(to_text(summary, "acoustic"), HasSubstr("comparative_pitch"));
}

RunRecords run(const std::string& name, int right, int prosody_right) {
  RunRecords records{name, {{"ravdess", emotions(100, right)}, {"savee", emotions(60, right / 2)}}};
  for (int i = 0; i < 40; ++i)
    records.sets[0].records.push_back(prosody(1000 + i, i % 2 ? "pitch" : "energy", i < prosody_right));
  return records;
}

const ComparedMetric& metric(const SetComparison& set, const std::string& name) {
  for (const ComparedMetric& one : set.metrics)
    if (one.name == name) return one;
  throw std::runtime_error("no metric " + name);
}

TEST(CompareMany, DifferencesAreToTheFirstRun) {
  const std::vector<RunRecords> runs = {run("base", 50, 20), run("same", 50, 20), run("better", 80, 36)};
  const Comparison comparison = compare_many(runs, {.bootstrap_samples = 500}).value();
  std::vector<std::string> sets;
  for (const SetComparison& set : comparison.sets) sets.push_back(set.set + "/" + std::string(name(set.task)));
  EXPECT_THAT(sets, ElementsAre("ravdess/emotion", "savee/emotion", "average/emotion", "ravdess/prosody"));
  const ComparedMetric& accuracy = metric(comparison.sets[0], "accuracy");
  EXPECT_DOUBLE_EQ(accuracy.runs[2].value, 0.8);
  EXPECT_DOUBLE_EQ(accuracy.differences[0].value, 0);
  EXPECT_EQ(accuracy.differences[0].p_value, 1);
  EXPECT_NEAR(accuracy.differences[1].value, 0.3, 1e-12);
  EXPECT_GT(accuracy.differences[1].low, 0.2);
  EXPECT_LT(accuracy.differences[1].high - accuracy.differences[1].low,  // paired: narrower than the runs' own
            accuracy.runs[0].high - accuracy.runs[0].low);
  EXPECT_LT(accuracy.differences[1].p_value, 0.01);
  EXPECT_DOUBLE_EQ(accuracy.holm_p[1], 2 * accuracy.differences[1].p_value);
  const ComparedMetric& average = metric(comparison.sets[2], "accuracy");
  EXPECT_NEAR(average.differences[1].value, (0.3 + 15 / 60.0) / 2, 1e-12);
  EXPECT_NEAR(metric(comparison.sets[3], "pitch").differences[1].value, 0.4, 1e-12);
  EXPECT_THAT(to_text(comparison), HasSubstr("Holm"));
  const EvalTable table = runs_table(comparison);  // of the average
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.columns[1], "accuracy");
  EXPECT_THAT(table.rows[2], ElementsAre("better", StartsWith(fmt::format("{:.3f}", average.runs[2].value))));
  EXPECT_TRUE(runs_table(compare_many(std::span(runs).first(2), {}).value()).rows.empty());
  EXPECT_EQ(to_json(comparison)["sets"][0]["metrics"]["accuracy"]["differences_to_first"][1]["p_holm"],
            accuracy.holm_p[1]);
}

// Records may stand in another order; the numbers are the same.
TEST(CompareMany, PairsByIdNotByPlace) {
  std::vector<RunRecords> runs = {run("a", 50, 20), run("b", 60, 25)};
  const auto straight = to_json(compare_many(runs, {}).value());
  for (EvalSetRecords& set : runs[1].sets) std::reverse(set.records.begin(), set.records.end());
  std::reverse(runs[1].sets.begin(), runs[1].sets.end());
  EXPECT_EQ(to_json(compare_many(runs, {}).value()), straight);
}

TEST(CompareMany, RefusesOtherRecordsByName) {
  const auto error = [](std::vector<RunRecords> runs) {
    const auto result = compare_many(runs, {});
    return result ? std::string("accepted") : result.error().message;
  };
  std::vector<RunRecords> runs = {run("a", 50, 20), run("b", 60, 25), run("c", 60, 25)};
  auto changed = runs;
  changed[2].sets[0].records[7].id = "utt_7b";
  EXPECT_THAT(error(changed), testing::AllOf(HasSubstr("record '7'"), HasSubstr("ravdess"), HasSubstr("c")));
  changed = runs;
  changed[1].sets[1].records[3].label = "fear";
  EXPECT_THAT(error(changed), HasSubstr("record '3' has the label"));
  changed = runs;
  changed[1].sets.pop_back();
  EXPECT_THAT(error(changed), HasSubstr("'savee'"));
  changed = runs;
  changed[1].sets[1].records.push_back(emotion(77, "sad", "sad"));
  EXPECT_THAT(error(changed), HasSubstr("'77' of the second run"));
  changed = runs;
  changed[1].sets[0].records[1].id = changed[1].sets[0].records[0].id;
  EXPECT_THAT(error(changed), HasSubstr("twice"));
  EXPECT_THAT(error({runs[0]}), HasSubstr("at least two"));
}

TEST(Holm, StepsDownAndPassesOverNaN) {
  const double nan = std::nan("");
  const auto adjusted = holm(std::vector<double>{0.01, nan, 0.04, 0.03});
  EXPECT_DOUBLE_EQ(adjusted[0], 0.03);
  EXPECT_TRUE(std::isnan(adjusted[1]));
  EXPECT_DOUBLE_EQ(adjusted[2], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[3], 0.06);
}

TEST(EvaluationPages, AreSelfContainedAndEscaped) {
  std::vector<EvalSetRecords> sets = {{"<b>&", emotions(20, 10)}, {"other", emotions(20, 15)}};
  for (int i = 0; i < 4; ++i) sets[1].records.push_back(prosody(100 + i, "pitch", i > 0));
  const std::string page = to_html(evaluate_sets(sets, {}).value(), {.model = "m"}, "acoustic");
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;&amp;"));
  EXPECT_THAT(page, Not(HasSubstr("<b>&")));
  EXPECT_THAT(page, HasSubstr("average"));
  EXPECT_THAT(page, HasSubstr("Prosody test"));
  for (const char* outside : {"http:", "https:", "<script", "src="}) EXPECT_THAT(page, Not(HasSubstr(outside)));
  const std::vector<RunRecords> runs = {run("a<i>", 50, 20), run("b", 80, 36)};
  const std::string compared = comparison_html({{"greedy", compare_many(runs, {}).value()}}, "Comparison");
  EXPECT_THAT(compared, HasSubstr("a&lt;i&gt;"));
  EXPECT_THAT(compared, HasSubstr("b − a&lt;i&gt;"));
}

}  // namespace
}  // namespace prosodia
