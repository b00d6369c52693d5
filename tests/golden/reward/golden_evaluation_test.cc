// Classification metrics against scikit-learn (1e-12: both sides compute in double from the same counts); the paired
// bootstrap's p against scipy's sign-flip permutation test over the same differences: two estimates of the same thing
// with 20,000 and 4,000 random draws over a statistic that moves in steps of 1/1500, so within 0.05; Holm against
// statsmodels (1e-12). Values: generate_evaluation.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reward/evaluation_compare.h"

namespace prosodia {
namespace {

using Json = nlohmann::json;

Json golden() {
  const char* root = std::getenv("PROSODIA_SOURCE_DIR");
  const auto path = std::filesystem::path(root ? root : ".") / "tests/golden/reward/evaluation.json";
  std::ifstream file(path);
  EXPECT_TRUE(file) << "cannot open " << path << "; run through ctest, or set PROSODIA_SOURCE_DIR";
  return Json::parse(file);
}

std::vector<EvalRecord> records(const Json& golden, const std::string& truth, const std::string& answers) {
  const auto word = [&](char digit) {
    return digit == '9' ? std::string("no emotion")
                        : golden.at("labels")[static_cast<size_t>(digit - '0')].get<std::string>();
  };
  std::vector<EvalRecord> records;
  for (size_t i = 0; i < truth.size(); ++i) {
    EvalRecord& record = records.emplace_back();
    record.id = std::to_string(i);
    record.label = word(truth[i]);
    record.prediction = word(answers[i]);
  }
  return records;
}

TEST(GoldenEvaluation, MetricsAreSklearns) {
  const Json all = golden();
  ASSERT_GE(all.at("cases").size(), 4u);
  for (const Json& test : all.at("cases")) {
    for (const char* run : {"a", "b"}) {
      const Json& want = test.at(std::string("metrics_") + run);
      const EvalReport report =
          evaluate(records(all, test.at("truth"), test.at(run)), {.bootstrap_samples = 0}).value();
      EXPECT_NEAR(report.accuracy.value, want.at("accuracy").get<double>(), 1e-12);
      EXPECT_NEAR(report.unweighted_average_recall.value, want.at("unweighted_average_recall").get<double>(), 1e-12);
      EXPECT_NEAR(report.macro_f1.value, want.at("macro_f1").get<double>(), 1e-12);
      EXPECT_EQ(Json(report.confusion), want.at("confusion"));
      for (size_t l = 0; l < report.labels.size(); ++l) {
        ASSERT_EQ(report.labels[l].label, all.at("labels")[l]);
        EXPECT_NEAR(report.labels[l].recall.value, want.at("recall")[l].get<double>(), 1e-12);
        EXPECT_NEAR(report.labels[l].precision.value, want.at("precision")[l].get<double>(), 1e-12);
        EXPECT_NEAR(report.labels[l].f1.value, want.at("f1")[l].get<double>(), 1e-12);
      }
    }
  }
}

TEST(GoldenEvaluation, PairedPIsThatOfAPermutationTest) {
  const Json all = golden();
  int clear = 0, unclear = 0;
  for (const Json& test : all.at("cases")) {
    const std::string truth = test.at("truth");
    const std::vector<RunRecords> runs = {{"a", {{"set", records(all, truth, test.at("a"))}}},
                                          {"b", {{"set", records(all, truth, test.at("b"))}}}};
    const ComparedMetric accuracy =
        compare_many(runs, {.bootstrap_samples = 4000, .seed = 1}).value().sets[0].metrics[0];
    ASSERT_EQ(accuracy.name, "accuracy");
    const double want = test.at("paired").at("p_value").get<double>();
    EXPECT_NEAR(accuracy.differences[0].value, test.at("paired").at("difference").get<double>(), 1e-12);
    EXPECT_NEAR(accuracy.differences[0].p_value, want, 0.05);
    clear += want < 0.01;
    unclear += want > 0.1;
  }
  EXPECT_GE(clear, 1);
  EXPECT_GE(unclear, 1);
}

TEST(GoldenEvaluation, HolmIsStatsmodels) {
  for (const Json& test : golden().at("holm")) {
    const auto adjusted = holm(test.at("p").get<std::vector<double>>());
    for (size_t i = 0; i < adjusted.size(); ++i)
      EXPECT_NEAR(adjusted[i], test.at("adjusted")[i].get<double>(), 1e-12) << test;
  }
}

}  // namespace
}  // namespace prosodia
