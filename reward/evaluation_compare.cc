#include "reward/evaluation_compare.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "reward/evaluation_metrics.h"

namespace prosodia {
namespace {

struct MetricName {
  const char* name;
  size_t metric;
  int decimals;
};

constexpr MetricName kEmotionMetrics[] = {{"accuracy", Tally::kAccuracy, 3},
                                          {"unweighted_average_recall", Tally::kUar, 3},
                                          {"macro_f1", Tally::kMacroF1, 3},
                                          {"format_rate", Tally::kFormat, 3},
                                          {"factual_alignment", Tally::kFirstCriterion, 2},
                                          {"interpretative_quality", Tally::kFirstCriterion + 1, 2},
                                          {"caption_completeness", Tally::kFirstCriterion + 2, 2},
                                          {"fluency_and_structural_clarity", Tally::kFirstCriterion + 3, 2},
                                          {"reasoning_quality", Tally::kCriteriaMean, 2},
                                          {"faithfulness_precision", Tally::kFaithPrecision, 3},
                                          {"faithfulness_recall", Tally::kFaithRecall, 3}};
constexpr MetricName kProsodyMetrics[] = {{"accuracy", Tally::kAccuracy, 3}, {"mean_over_attributes", Tally::kUar, 3}};

const EvalSetRecords* find_set(const RunRecords& run, const std::string& name) {
  const auto found = std::ranges::find(run.sets, name, &EvalSetRecords::name);
  return found == run.sets.end() ? nullptr : &*found;
}

Status check_sets(std::span<const RunRecords> runs) {
  if (runs.size() < 2) return fail(ErrorCode::kUsage, "a comparison needs at least two runs, got {}", runs.size());
  for (const RunRecords& run : runs.subspan(1)) {
    for (const EvalSetRecords& set : runs[0].sets)
      if (!find_set(run, set.name))
        return fail(ErrorCode::kInvalidInput, "{} was evaluated on the set '{}', {} was not", runs[0].name, set.name,
                    run.name);
    for (const EvalSetRecords& set : run.sets)
      if (!find_set(runs[0], set.name))
        return fail(ErrorCode::kInvalidInput, "{} was evaluated on the set '{}', {} was not", run.name, set.name,
                    runs[0].name);
  }
  return {};
}

// Every run's records of one set and task, in the order of the first run's.
Result<std::vector<std::vector<EvalRecord>>> aligned(std::span<const RunRecords> runs, const std::string& set,
                                                     EvalTask task) {
  std::vector<std::vector<EvalRecord>> all;
  for (const RunRecords& run : runs) {
    std::vector<EvalRecord> records = records_of(find_set(run, set)->records, task);
    if (all.empty()) {
      all.push_back(std::move(records));
      continue;
    }
    auto matched = match_by_id(all[0], records);
    if (!matched)
      return wrap(matched.error(), fmt::format("set '{}', {} (the first run) and {}", set, runs[0].name, run.name));
    all.push_back(std::move(*matched));
  }
  return all;
}

// A metric of measured runs; nothing when no run has it.
void add_metric(const std::string& name, size_t metric, int decimals, const std::vector<MeasuredRun>& runs,
                const EvalOptions& options, SetComparison& out) {
  ComparedMetric compared{.name = name, .decimals = decimals};
  std::vector<double> p_values;
  bool defined = false;
  for (const MeasuredRun& run : runs) {
    compared.runs.push_back(run.estimate(metric, options.confidence));
    defined |= std::isfinite(compared.runs.back().value);
    if (&run == &runs[0]) continue;
    compared.differences.push_back(difference(runs[0], run, metric, options.confidence));
    p_values.push_back(compared.differences.back().p_value);
  }
  if (!defined) return;
  compared.holm_p = holm(p_values);
  out.metrics.push_back(std::move(compared));
}

// parts_of_runs[run][part]; one part is a set, several are the average over them.
Result<SetComparison> compare_parts(const std::string& name, EvalTask task,
                                    std::vector<std::vector<std::vector<EvalRecord>>> parts_of_runs,
                                    const EvalOptions& options) {
  SetComparison out{.set = name, .task = task};
  EvalOptions used = options;
  const bool single = parts_of_runs[0].size() == 1;
  for (const auto& part : parts_of_runs[0]) out.records += static_cast<int64_t>(part.size());
  if (task == EvalTask::kProsody && single) used.labels = attribute_order(parts_of_runs[0][0]);
  if (used.labels.empty() && single) PROSODIA_TRY(index_records(parts_of_runs[0][0], used));
  std::vector<MeasuredRun> measured;
  for (auto& parts : parts_of_runs) {
    PROSODIA_ASSIGN(MeasuredRun run, measure_run(std::move(parts), used));
    measured.push_back(std::move(run));
  }
  if (task == EvalTask::kEmotion) {
    for (const MetricName& each : kEmotionMetrics)
      add_metric(each.name, each.metric, each.decimals, measured, used, out);
    return out;
  }
  for (const MetricName& each : kProsodyMetrics) add_metric(each.name, each.metric, each.decimals, measured, used, out);
  if (single)
    for (size_t l = 0; l < used.labels.size(); ++l)
      add_metric(used.labels[l], Tally::kFirstLabel + 3 * l, 3, measured, used, out);
  return out;
}

}  // namespace

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p_values.size(); ++i)
    if (!std::isnan(p_values[i])) order.push_back(i);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.begin(), p_values.end());
  double floor = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    floor = std::max(floor, std::min(1.0, p_values[order[k]] * static_cast<double>(order.size() - k)));
    adjusted[order[k]] = floor;
  }
  return adjusted;
}

Result<Comparison> compare_many(std::span<const RunRecords> runs, const EvalOptions& options) {
  PROSODIA_TRY(check_sets(runs));
  Comparison comparison{.options = options};
  for (const RunRecords& run : runs) comparison.runs.push_back(run.name);
  for (const EvalTask task : {EvalTask::kEmotion, EvalTask::kProsody}) {
    std::vector<std::vector<std::vector<EvalRecord>>> all(runs.size());
    for (const EvalSetRecords& set : runs[0].sets) {
      PROSODIA_ASSIGN(const auto records, aligned(runs, set.name, task));
      if (records[0].empty()) continue;
      std::vector<std::vector<std::vector<EvalRecord>>> one(runs.size());
      for (size_t r = 0; r < runs.size(); ++r) {
        one[r].push_back(records[r]);
        all[r].push_back(records[r]);
      }
      auto compared = compare_parts(set.name, task, std::move(one), options);
      if (!compared) return wrap(compared.error(), "set '" + set.name + "'");
      comparison.sets.push_back(std::move(*compared));
    }
    if (all[0].size() < 2) continue;
    PROSODIA_ASSIGN(SetComparison average, compare_parts("average", task, std::move(all), options));
    comparison.sets.push_back(std::move(average));
  }
  return comparison;
}

}  // namespace prosodia
