#include "reward/evaluation_sets_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/code_points.h"
#include "reward/evaluation_tables.h"
#include "reward/report_numbers.h"

namespace prosodia {
namespace {

using Json = nlohmann::json;

Json prosody_json(const EvalReport& report) {
  Json attributes = Json::object();
  for (const LabelMetrics& label : report.labels)
    attributes[label.label] = {
        {"questions", label.support}, {"right", label.correct}, {"accuracy", json_estimate(label.recall)}};
  return {{"questions", report.records},
          {"accuracy", json_estimate(report.accuracy)},
          {"mean_over_attributes", json_estimate(report.unweighted_average_recall)},
          {"attributes", std::move(attributes)}};
}

std::string on_one_line(std::string text) {
  for (size_t at; (at = text.find('\n')) != std::string::npos;) text.replace(at, 1, " ");
  return text;
}

// Columns as wide as their widest cell; the first to the left, the others to the right.
std::string text_table(const EvalTable& table) {
  if (table.rows.empty()) return {};
  std::vector<std::vector<std::string>> lines = {table.columns};
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  std::vector<size_t> widths(table.columns.size());
  for (auto& line : lines)
    for (size_t c = 0; c < line.size(); ++c) {
      line[c] = on_one_line(line[c]);
      widths[c] = std::max(widths[c], count_code_points(line[c]));
    }
  std::string text = table.title + "\n";
  for (const auto& line : lines) {
    std::string row = " ";
    for (size_t c = 0; c < line.size(); ++c) {
      const std::string pad(widths[c] - count_code_points(line[c]), ' ');
      row += " " + (c == 0 ? line[c] + pad : " " + pad + line[c]);
    }
    text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
  }
  return text + "\n";
}

// Rows and columns exchanged: few sets and many metrics fit a terminal only this way.
EvalTable turned(const EvalTable& table) {
  EvalTable out{table.title, table.note, {table.columns[0]}};
  for (const auto& row : table.rows) out.columns.push_back(row[0]);
  for (size_t c = 1; c < table.columns.size(); ++c) {
    std::vector<std::string> line = {table.columns[c]};
    for (const auto& row : table.rows) line.push_back(row[c]);
    out.rows.push_back(std::move(line));
  }
  if (table.rows.empty()) out.rows.clear();
  return out;
}

Json difference_json(const PairedDifference& difference, double holm_p) {
  return {{"value", json_number(difference.value)},
          {"low", json_number(difference.low)},
          {"high", json_number(difference.high)},
          {"p_value", json_number(difference.p_value)},
          {"p_holm", json_number(holm_p)}};
}

}  // namespace

Json to_json(const EvalSummary& summary) {
  Json sets = Json::array();
  for (const EvalSetReport& set : summary.sets) {
    Json one = {{"name", set.name}};
    if (set.emotion) one["emotion"] = to_json(*set.emotion);
    if (set.prosody) one["prosody"] = prosody_json(*set.prosody);
    sets.push_back(std::move(one));
  }
  Json json = {{"sets", std::move(sets)}};
  if (summary.emotion_average) {
    json["average"]["emotion"] = to_json(*summary.emotion_average);
    for (const char* empty : {"labels", "confusion"}) json["average"]["emotion"].erase(empty);
  }
  if (summary.prosody_average) {
    json["average"]["prosody"] = prosody_json(*summary.prosody_average);
    json["average"]["prosody"].erase("attributes");
  }
  return json;
}

Json to_json(const Comparison& comparison) {
  Json sets = Json::array();
  for (const SetComparison& set : comparison.sets) {
    Json metrics = Json::object();
    for (const ComparedMetric& metric : set.metrics) {
      Json runs = Json::array(), differences = Json::array();
      for (const Estimate& run : metric.runs) runs.push_back(json_estimate(run));
      for (size_t d = 0; d < metric.differences.size(); ++d)
        differences.push_back(difference_json(metric.differences[d], metric.holm_p[d]));
      metrics[metric.name] = {{"runs", std::move(runs)}, {"differences_to_first", std::move(differences)}};
    }
    sets.push_back(
        {{"set", set.set}, {"task", name(set.task)}, {"records", set.records}, {"metrics", std::move(metrics)}});
  }
  return {{"runs", comparison.runs},
          {"sets", std::move(sets)},
          {"bootstrap",
           {{"samples", comparison.options.bootstrap_samples},
            {"confidence", comparison.options.confidence},
            {"seed", comparison.options.seed}}}};
}

std::string to_text(const EvalSummary& summary, const std::string& scorer) {
  std::string text;
  if (summary.emotion_average) {  // several sets: one table
    text += text_table(turned(overview_table(summary)));
    text += text_table(turned(reasoning_table(summary, scorer)));
  }
  text += text_table(prosody_table(summary));
  for (const EvalSetReport& set : summary.sets) {
    if (!set.emotion) continue;
    if (summary.sets.size() > 1) text += set.name + ": ";
    text += to_text(*set.emotion) + "\n";
  }
  if (text.ends_with("\n\n")) text.pop_back();
  return text;
}

std::string to_text(const Comparison& comparison) {
  std::string text =
      fmt::format("differences are to {}; intervals {:g} %, p two-sided, paired bootstrap of {} resamples{}\n\n",
                  comparison.runs[0], comparison.options.confidence * 100, comparison.options.bootstrap_samples,
                  comparison.runs.size() > 2 ? "; Holm: corrected over the runs" : "");
  text += text_table(runs_table(comparison));
  for (const SetComparison& set : comparison.sets) text += text_table(comparison_lines(comparison, set));
  return text;
}

}  // namespace prosodia
