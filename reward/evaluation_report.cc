#include "reward/evaluation_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/base/code_points.h"
#include "reward/report_numbers.h"

namespace prosodia {
namespace {

using Json = nlohmann::json;

// Pads by code points: a dash is three bytes and one column.
std::string padded_left(const std::string& text, size_t columns) {
  const size_t width = count_code_points(text);
  return std::string(columns > width ? columns - width : 0, ' ') + text;
}

// Cuts after `columns` code points.
std::string cut(std::string_view text, size_t columns) {
  size_t used = 0, at = 0;
  while (at < text.size()) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && used++ == columns) break;
    ++at;
  }
  return std::string(text.substr(0, at));
}

std::string padded_right(const std::string& text, size_t columns) {
  const size_t width = count_code_points(text);
  return text + std::string(columns > width ? columns - width : 0, ' ');
}

std::string summary_line(std::string_view name, const Estimate& estimate, int decimals) {
  std::string line = fmt::format("  {:<34}{}", name, padded_left(shown_number(estimate.value, decimals), 7));
  if (std::isfinite(estimate.low)) {
    line += fmt::format("   [{}, {}]", shown_number(estimate.low, decimals), shown_number(estimate.high, decimals));
  }
  return line + "\n";
}

constexpr size_t kLabelColumns = 20;

std::string label_table(const EvalReport& report) {
  std::string text = fmt::format("  {:<20}{:>8}{:>10}{:>8}   {:<16}{:>10}{:>8}\n", "emotion", "support", "predicted",
                                 "recall", "", "precision", "F1");
  for (const LabelMetrics& label : report.labels) {
    std::string interval;
    if (std::isfinite(label.recall.low)) {
      interval = fmt::format("[{}, {}]", shown_number(label.recall.low, 3), shown_number(label.recall.high, 3));
    }
    text += fmt::format("  {}{:>8}{:>10}{}   {:<16}{}{}\n", padded_right(cut(label.label, kLabelColumns - 1), 20),
                        label.support, label.predicted, padded_left(shown_number(label.recall.value, 3), 8), interval,
                        padded_left(shown_number(label.precision.value, 3), 10),
                        padded_left(shown_number(label.f1.value, 3), 8));
  }
  return text;
}

std::string confusion_table(const EvalReport& report) {
  constexpr size_t kColumn = 7;
  std::string text = "  " + padded_right("reference \\ answer", kLabelColumns);
  for (const LabelMetrics& label : report.labels) text += padded_left(cut(label.label, kColumn - 1), kColumn);
  text += padded_left("other", kColumn) + "\n";
  for (size_t row = 0; row < report.confusion.size(); ++row) {
    text += "  " + padded_right(cut(report.labels[row].label, kLabelColumns - 1), kLabelColumns);
    for (const int64_t count : report.confusion[row]) text += padded_left(std::to_string(count), kColumn);
    text += "\n";
  }
  return text;
}

}  // namespace

Json to_json(const EvalReport& report) {
  Json criteria = Json::object();
  for (size_t j = 0; j < kNumCriteria; ++j) {
    criteria[std::string(name(static_cast<Criterion>(j)))] = json_estimate(report.criteria[j]);
  }
  criteria["mean"] = json_estimate(report.criteria_mean);
  Json labels = Json::array();
  for (const LabelMetrics& label : report.labels) {
    labels.push_back({{"label", label.label},
                      {"support", label.support},
                      {"predicted", label.predicted},
                      {"correct", label.correct},
                      {"recall", json_estimate(label.recall)},
                      {"precision", json_estimate(label.precision)},
                      {"f1", json_estimate(label.f1)}});
  }
  return {{"records", report.records},
          {"graded", report.graded},
          {"accuracy", json_estimate(report.accuracy)},
          {"unweighted_average_recall", json_estimate(report.unweighted_average_recall)},
          {"macro_f1", json_estimate(report.macro_f1)},
          {"format_rate", json_estimate(report.format_rate)},
          {"criteria", std::move(criteria)},
          {"faithfulness",
           {{"precision", json_estimate(report.faithfulness_precision)},
            {"recall", json_estimate(report.faithfulness_recall)}}},
          {"labels", std::move(labels)},
          {"confusion", {{"rows", "reference"}, {"columns", "labels, then other"}, {"counts", report.confusion}}},
          {"bootstrap",
           {{"samples", report.options.bootstrap_samples},
            {"confidence", report.options.confidence},
            {"seed", report.options.seed}}}};
}

std::string to_text(const EvalReport& report) {
  std::string text = fmt::format("{} records", report.records);
  if (report.options.bootstrap_samples) {
    text += fmt::format("; [{:g} % bootstrap interval, {} resamples]", report.options.confidence * 100,
                        report.options.bootstrap_samples);
  }
  text += "\n\n";
  text += summary_line("accuracy", report.accuracy, 3);
  text += summary_line("unweighted average recall", report.unweighted_average_recall, 3);
  text += summary_line("macro-F1", report.macro_f1, 3);
  text += summary_line("format rate", report.format_rate, 3);
  text += summary_line("reasoning quality (1-5)", report.criteria_mean, 2);
  for (size_t j = 0; j < kNumCriteria; ++j) {
    text += summary_line(fmt::format("  {}", name(static_cast<Criterion>(j))), report.criteria[j], 2);
  }
  text += summary_line("faithfulness precision", report.faithfulness_precision, 3);
  text += summary_line("faithfulness recall", report.faithfulness_recall, 3);
  return text + "\n" + label_table(report) + "\n" + confusion_table(report);
}

}  // namespace prosodia
