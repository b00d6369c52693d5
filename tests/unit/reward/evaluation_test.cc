// evaluation.h, bootstrap.h, evaluation_report.h.
#include "reward/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/philox.h"
#include "reward/bootstrap.h"
#include "reward/evaluation_report.h"

namespace prosodia {
namespace {

EvalRecord record(std::string label, std::string prediction, bool format = true) {
  EvalRecord result;
  result.label = std::move(label);
  result.prediction = std::move(prediction);
  result.format = format;
  return result;
}

// a: 3 of 4 right, b: 1 of 2 right, c: no support but predicted once.
std::vector<EvalRecord> small_set() {
  std::vector<EvalRecord> records{record("a", "a"), record("a", "A "), record("a", "a"),        record("a", "b", false),
                                  record("b", "b"), record("b", "c"),  record("b", "nonsense"), record("b", "")};
  records[0].criteria = {5, 4, 3, 2};
  records[1].criteria = {3, 2, 1, 2};
  for (size_t i = 0; i < records.size(); ++i) records[i].id = std::to_string(i);
  records[2].checkable_claims = 4;
  records[2].true_claims = 3;
  records[2].measured_attributes = 5;
  records[2].recalled_attributes = 2;
  records[3].checkable_claims = 1;
  records[3].measured_attributes = 5;
  return records;
}

TEST(Evaluate, MatchesHandComputedMetrics) {
  EvalOptions options;
  options.labels = {"a", "b", "c"};
  const auto report = evaluate(small_set(), options).value();
  EXPECT_EQ(report.records, 8);
  EXPECT_DOUBLE_EQ(report.accuracy.value, 4 / 8.0);
  EXPECT_DOUBLE_EQ(report.unweighted_average_recall.value, (3 / 4.0 + 1 / 4.0) / 2);
  EXPECT_DOUBLE_EQ(report.macro_f1.value, (2 * 3 / 7.0 + 2 * 1 / 6.0) / 2);
  EXPECT_DOUBLE_EQ(report.format_rate.value, 7 / 8.0);
  EXPECT_EQ(report.graded, 2);
  EXPECT_DOUBLE_EQ(report.criteria[0].value, 4);
  EXPECT_DOUBLE_EQ(report.criteria[3].value, 2);
  EXPECT_DOUBLE_EQ(report.criteria_mean.value, 2.75);
  EXPECT_DOUBLE_EQ(report.faithfulness_precision.value, 3 / 5.0);
  EXPECT_DOUBLE_EQ(report.faithfulness_recall.value, 2 / 10.0);
  EXPECT_EQ(report.confusion, (std::vector<std::vector<int64_t>>{{3, 1, 0, 0}, {0, 1, 1, 2}, {0, 0, 0, 0}}));
  EXPECT_DOUBLE_EQ(report.labels[0].precision.value, 1);
  EXPECT_DOUBLE_EQ(report.labels[1].precision.value, 0.5);
  EXPECT_TRUE(std::isnan(report.labels[2].recall.value));
  EXPECT_DOUBLE_EQ(report.labels[2].precision.value, 0);
  EXPECT_EQ(report.labels[2].predicted, 1);
}

TEST(Evaluate, UndefinedIsNaNNotZero) {
  const std::vector<EvalRecord> records{record("a", "b"), record("b", "a")};
  const auto report = evaluate(records, {}).value();
  EXPECT_EQ(report.accuracy.value, 0);
  EXPECT_TRUE(std::isnan(report.criteria_mean.value));
  EXPECT_TRUE(std::isnan(report.faithfulness_precision.value));
  EXPECT_EQ(to_json(report)["criteria"]["mean"]["value"], nullptr);
}

TEST(Evaluate, RefusesBadInput) {
  const auto error = [](std::vector<EvalRecord> records, EvalOptions options = {}) {
    const auto result = evaluate(records, options);
    return result ? std::string("ok") : result.error().message;
  };
  EXPECT_NE(error({}).find("no records"), std::string::npos);
  EvalOptions labels;
  labels.labels = {"a"};
  auto stranger = record("b", "a");
  stranger.id = "utt_7";
  EXPECT_NE(error({stranger}, labels).find("utt_7"), std::string::npos);
  labels.labels = {"a", "A"};
  EXPECT_NE(error({record("a", "a")}, labels).find("twice"), std::string::npos);
  auto bad = record("a", "a");
  bad.criteria = {0, 3, 3, 3};
  EXPECT_NE(error({bad}).find("factual_alignment"), std::string::npos);
  bad = record("a", "a");
  bad.true_claims = 2;
  EXPECT_NE(error({bad}).find("claims"), std::string::npos);
  EvalOptions few;
  few.bootstrap_samples = 10;
  EXPECT_NE(error({record("a", "a")}, few).find("bootstrap_samples"), std::string::npos);
  few = {};
  few.confidence = 1;
  EXPECT_NE(error({record("a", "a")}, few).find("confidence"), std::string::npos);
}

std::vector<EvalRecord> simulated(uint64_t seed, int size, double accuracy) {
  PhiloxStream random(seed);
  std::vector<EvalRecord> records;
  for (int i = 0; i < size; ++i) {
    const bool right = random.next_unit() < accuracy;
    records.push_back(record(i % 3 ? "a" : "b", right ? (i % 3 ? "a" : "b") : "c"));
    records.back().id = std::to_string(i);
  }
  return records;
}

TEST(Bootstrap, IntervalHasTheBinomialWidth) {
  const auto report = evaluate(simulated(1, 900, 0.7), {.bootstrap_samples = 2000}).value();
  const double p = report.accuracy.value, half = 1.96 * std::sqrt(p * (1 - p) / 900);
  EXPECT_NEAR(report.accuracy.low, p - half, 0.1 * half);
  EXPECT_NEAR(report.accuracy.high, p + half, 0.1 * half);
  EXPECT_LT(report.unweighted_average_recall.low, report.unweighted_average_recall.value);
  EXPECT_GT(report.unweighted_average_recall.high, report.unweighted_average_recall.value);
}

TEST(Bootstrap, CoversTheTruthAboutAsOftenAsItSays) {
  int covered = 0;
  constexpr int kRuns = 200;
  for (int run = 0; run < kRuns; ++run) {
    const auto report =
        evaluate(simulated(100 + static_cast<uint64_t>(run), 200, 0.6), {.bootstrap_samples = 400, .seed = 3}).value();
    covered += report.accuracy.low <= 0.6 && 0.6 <= report.accuracy.high;
  }
  EXPECT_GE(covered, 180);  // 95 % ± 3.2 standard errors
  EXPECT_LE(covered, 199);
}

TEST(Bootstrap, IsAFunctionOfTheSeed) {
  const auto records = simulated(1, 200, 0.7);
  const auto first = evaluate(records, {.seed = 5}).value(), second = evaluate(records, {.seed = 5}).value();
  const auto other = evaluate(records, {.seed = 6}).value();
  EXPECT_EQ(to_json(first), to_json(second));
  EXPECT_EQ(first.accuracy.value, other.accuracy.value);
  EXPECT_TRUE(first.macro_f1.low != other.macro_f1.low || first.macro_f1.high != other.macro_f1.high);
  const auto none = evaluate(records, {.bootstrap_samples = 0}).value();
  EXPECT_TRUE(std::isnan(none.accuracy.low));
  EXPECT_EQ(none.accuracy.value, first.accuracy.value);
}

TEST(Bootstrap, ResampleIsUniform) {
  std::vector<uint32_t> indices;
  std::vector<int> counts(7);
  for (uint64_t replicate = 0; replicate < 10000; ++replicate) {
    resample(1, replicate, 7, indices);
    ASSERT_EQ(indices.size(), 7u);
    for (const uint32_t i : indices) ++counts.at(i);
  }
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);  // 4 standard deviations
}

TEST(Bootstrap, PercentilesAreNumpys) {
  const std::vector<double> values{4, 1, NAN, 3, 2};
  const Interval interval = percentile_interval(values, 0.5);  // numpy.percentile([1,2,3,4], [25, 75])
  EXPECT_DOUBLE_EQ(interval.low, 1.75);
  EXPECT_DOUBLE_EQ(interval.high, 3.25);
  EXPECT_TRUE(std::isnan(percentile_interval({}, 0.95).low));
}

TEST(MakeEvalRecord, ReadsAResponse) {
  ProsodyLevels measured;
  measured.pitch = "high";
  measured.energy = "low";
  const ReasoningScore score = checked_score({1, 2, 3, 4});
  const auto result = make_eval_record("u1", "<think>The pitch is high, the energy high.</think><answer> Sad</answer>",
                                       "sad", &measured, &score);
  EXPECT_TRUE(result.format);
  EXPECT_EQ(result.checkable_claims, 2);
  EXPECT_EQ(result.true_claims, 1);
  EXPECT_EQ(result.measured_attributes, 2);
  EXPECT_EQ(result.recalled_attributes, 1);
  EXPECT_EQ(result.criteria, (Criteria{1, 2, 3, 4}));
  const auto report = evaluate(std::vector{result}, {}).value();
  EXPECT_EQ(report.accuracy.value, 1);
  const auto bare = make_eval_record("u2", "sad", "sad", nullptr, nullptr);
  EXPECT_TRUE(bare.prediction.empty());
  EXPECT_FALSE(bare.criteria);
}

TEST(EvalReport, JsonHasEveryNumber) {
  EvalOptions options;
  options.labels = {"a", "b", "c"};
  const auto json = to_json(evaluate(small_set(), options).value());
  EXPECT_EQ(json["accuracy"]["value"], 0.5);
  EXPECT_LE(json["accuracy"]["low"], json["accuracy"]["high"]);
  EXPECT_EQ(json["confusion"]["counts"][1][3], 2);
  EXPECT_EQ(json["labels"][2]["recall"]["value"], nullptr);
  EXPECT_EQ(json["criteria"]["factual_alignment"]["value"], 4.0);
  EXPECT_EQ(json["bootstrap"]["samples"], 1000);
  EXPECT_EQ(nlohmann::json::parse(json.dump()), json);
}

TEST(EvalReport, HtmlIsSelfContainedAndEscaped) {
  auto records = small_set();
  for (auto& each : records) {
    if (each.label == "a") each.label = "<b>&\"";
  }
  const std::string html = to_html(evaluate(records, {}).value(), {"<script>", "m", "d", "greedy"});
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<b>"), std::string::npos);
  EXPECT_NE(html.find("&lt;b&gt;&amp;&quot;"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
  EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(html.find("<svg"), std::string::npos);
}

TEST(EvalReport, TextFitsTheTerminal) {
  std::vector<EvalRecord> records;
  EvalOptions options;
  options.labels = {"neutral",  "happy",   "sad",      "angry", "contempt or disgust",
                    "confused", "whisper", "surprise", "fear"};
  for (const auto& label : options.labels) records.push_back(record(label, "happy"));
  const std::string text = to_text(evaluate(records, options).value());
  EXPECT_EQ(text.back(), '\n');
  EXPECT_NE(text.find("contempt or disgust"), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    size_t columns = 0;
    for (size_t i = begin; i < end; ++i) columns += (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    EXPECT_LE(columns, 100u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

}  // namespace
}  // namespace prosodia
