#include "reward/evaluation_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <ranges>
#include <set>

#include "reward/report_numbers.h"

namespace prosodia {
namespace {

constexpr const char* kNone = "–";

std::string cell(const Estimate& estimate, int decimals) {
  std::string text = shown_number(estimate.value, decimals);
  if (std::isfinite(estimate.low))
    text += fmt::format("\n[{}, {}]", shown_number(estimate.low, decimals), shown_number(estimate.high, decimals));
  return text;
}

std::string p_text(double p) { return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p); }

std::string signed_cell(const PairedDifference& difference, int decimals) {
  if (!std::isfinite(difference.value)) return kNone;
  std::string text = fmt::format("{:+.{}f}", difference.value, decimals);
  if (std::isfinite(difference.low))
    text += fmt::format("\n[{:+.{}f}, {:+.{}f}]", difference.low, decimals, difference.high, decimals);
  return text;
}

std::string difference_cell(const PairedDifference& difference, double holm_p, bool corrected, int decimals) {
  std::string text = signed_cell(difference, decimals);
  if (std::isfinite(difference.p_value)) text += fmt::format("\np {}", p_text(difference.p_value));
  if (corrected && std::isfinite(holm_p)) text += fmt::format(", Holm {}", p_text(holm_p));
  return text;
}

// Calls `add` for each set with emotion records, then for the average.
void each_emotion_row(const EvalSummary& summary,
                      const std::function<void(const std::string&, const EvalReport&)>& add) {
  for (const EvalSetReport& set : summary.sets)
    if (set.emotion) add(set.name, *set.emotion);
  if (summary.emotion_average) add("average", *summary.emotion_average);
}

const LabelMetrics* label_of(const EvalReport& report, const std::string& attribute) {
  const auto found = std::ranges::find(report.labels, attribute, &LabelMetrics::label);
  return found == report.labels.end() ? nullptr : &*found;
}

std::vector<std::string> attributes_of(const EvalSummary& summary) {
  std::vector<EvalRecord> names;
  for (const EvalSetReport& set : summary.sets) {
    if (!set.prosody) continue;
    for (const LabelMetrics& label : set.prosody->labels) names.emplace_back().attribute = label.label;
  }
  return attribute_order(names);
}

}  // namespace

EvalTable overview_table(const EvalSummary& summary) {
  EvalTable table{"Emotion recognition",
                  "Averages are unweighted means over the sets. Reasoning quality goes from 1 to 5.",
                  {"set", "rows", "accuracy", "recall (UAR)", "macro-F1", "format", "reasoning quality",
                   "faithfulness, precision", "faithfulness, recall"}};
  each_emotion_row(summary, [&](const std::string& name, const EvalReport& report) {
    table.rows.push_back({name, std::to_string(report.records), cell(report.accuracy, 3),
                          cell(report.unweighted_average_recall, 3), cell(report.macro_f1, 3),
                          cell(report.format_rate, 3), cell(report.criteria_mean, 2),
                          cell(report.faithfulness_precision, 3), cell(report.faithfulness_recall, 3)});
  });
  return table;
}

EvalTable reasoning_table(const EvalSummary& summary, const std::string& scorer) {
  EvalTable table{
      "Reasoning quality", fmt::format("Four criteria from 1 to 5, graded by: {}.", scorer), {"set", "graded"}};
  for (size_t j = 0; j < kNumCriteria; ++j) {
    std::string label(name(static_cast<Criterion>(j)));
    std::ranges::replace(label, '_', ' ');
    table.columns.push_back(std::move(label));
  }
  table.columns.emplace_back("mean");
  each_emotion_row(summary, [&](const std::string& name, const EvalReport& report) {
    if (report.graded == 0) return;
    std::vector<std::string> row = {name, std::to_string(report.graded)};
    for (const Estimate& criterion : report.criteria) row.push_back(cell(criterion, 2));
    row.push_back(cell(report.criteria_mean, 2));
    table.rows.push_back(std::move(row));
  });
  return table;
}

EvalTable prosody_table(const EvalSummary& summary) {
  EvalTable table{"Prosody test", "Share of questions about an attribute that are answered rightly.", {"attribute"}};
  std::vector<const EvalReport*> reports;
  for (const EvalSetReport& set : summary.sets) {
    if (!set.prosody) continue;
    table.columns.push_back(set.name);
    table.columns.emplace_back("questions");
    reports.push_back(&*set.prosody);
  }
  if (reports.empty()) return table;
  for (const std::string& attribute : attributes_of(summary)) {
    std::vector<std::string> row = {attribute};
    for (const EvalReport* report : reports) {
      const LabelMetrics* label = label_of(*report, attribute);
      row.push_back(label ? cell(label->recall, 3) : kNone);
      row.push_back(label ? std::to_string(label->support) : kNone);
    }
    table.rows.push_back(std::move(row));
  }
  std::vector<std::string> all = {"all questions"}, mean = {"mean over attributes"};
  for (const EvalReport* report : reports) {
    all.push_back(cell(report->accuracy, 3));
    all.push_back(std::to_string(report->records));
    mean.push_back(cell(report->unweighted_average_recall, 3));
    mean.emplace_back("");
  }
  if (summary.prosody_average) {
    table.columns.emplace_back("average");
    for (auto& row : table.rows) row.emplace_back(kNone);
    all.push_back(cell(summary.prosody_average->accuracy, 3));
    mean.push_back(cell(summary.prosody_average->unweighted_average_recall, 3));
  }
  table.rows.push_back(std::move(all));
  table.rows.push_back(std::move(mean));
  return table;
}

EvalTable comparison_table(const Comparison& comparison, const SetComparison& set) {
  EvalTable table{fmt::format("{} ({}, {} records)", set.set, name(set.task), set.records), "", {"metric"}};
  const bool corrected = comparison.runs.size() > 2;
  for (size_t r = 0; r < comparison.runs.size(); ++r) {
    table.columns.push_back(comparison.runs[r]);
    if (r > 0) table.columns.push_back(fmt::format("{} − {}", comparison.runs[r], comparison.runs[0]));
  }
  for (const ComparedMetric& metric : set.metrics) {
    std::string label = metric.name;
    std::ranges::replace(label, '_', ' ');
    std::vector<std::string> row = {std::move(label)};
    for (size_t r = 0; r < metric.runs.size(); ++r) {
      row.push_back(cell(metric.runs[r], metric.decimals));
      if (r > 0)
        row.push_back(difference_cell(metric.differences[r - 1], metric.holm_p[r - 1], corrected, metric.decimals));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

EvalTable runs_table(const Comparison& comparison) {
  EvalTable table;
  const auto set = std::ranges::find(comparison.sets | std::views::reverse, EvalTask::kEmotion, &SetComparison::task);
  if (set == comparison.sets.rend() || comparison.runs.size() < 3) return table;
  const int64_t sets = std::ranges::count(comparison.sets, EvalTask::kEmotion, &SetComparison::task);
  table.title = sets > 1 ? fmt::format("average of {} sets, {} records", sets - 1, set->records)
                         : fmt::format("{}, {} records", set->set, set->records);
  table.columns = {"run"};
  for (const std::string& run : comparison.runs) table.rows.push_back({run});
  for (const char* name : {"accuracy", "reasoning_quality", "faithfulness_precision", "faithfulness_recall"}) {
    const auto metric = std::ranges::find(set->metrics, name, &ComparedMetric::name);
    if (metric == set->metrics.end()) continue;
    table.columns.emplace_back(name);
    std::ranges::replace(table.columns.back(), '_', ' ');
    for (size_t r = 0; r < table.rows.size(); ++r) table.rows[r].push_back(cell(metric->runs[r], metric->decimals));
  }
  return table;
}

EvalTable comparison_lines(const Comparison& comparison, const SetComparison& set) {
  EvalTable table{comparison_table(comparison, set).title, "", {"metric", "run", "", "difference", "p"}};
  const bool corrected = comparison.runs.size() > 2;
  if (corrected) table.columns.emplace_back("Holm");
  for (const ComparedMetric& metric : set.metrics) {
    for (size_t r = 0; r < metric.runs.size(); ++r) {
      std::string label = r == 0 ? metric.name : "";
      std::ranges::replace(label, '_', ' ');
      std::vector<std::string> row = {std::move(label), comparison.runs[r], cell(metric.runs[r], metric.decimals)};
      if (r > 0) {
        const PairedDifference& difference = metric.differences[r - 1];
        row.push_back(signed_cell(difference, metric.decimals));
        row.push_back(std::isfinite(difference.p_value) ? p_text(difference.p_value) : kNone);
        if (corrected) row.push_back(std::isfinite(metric.holm_p[r - 1]) ? p_text(metric.holm_p[r - 1]) : kNone);
      }
      row.resize(table.columns.size());
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace prosodia
