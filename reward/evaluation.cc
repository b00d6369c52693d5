#include "reward/evaluation.h"

#include "reward/evaluation_metrics.h"
#include "reward/faithfulness.h"
#include "reward/rules.h"

namespace prosodia {

Result<EvalReport> evaluate(std::span<const EvalRecord> records, const EvalOptions& options) {
  EvalOptions used = options;
  PROSODIA_ASSIGN(const auto indexed, index_records(records, used));
  const size_t num_labels = used.labels.size();
  Tally tally(num_labels);
  for (const IndexedRecord& record : indexed) tally.add(record);
  PROSODIA_ASSIGN(const MeasuredRun run, measure_run({{records.begin(), records.end()}}, used));
  EvalReport report = report_of_average(run, used);
  const auto estimate = [&](size_t metric) { return run.estimate(metric, used.confidence); };
  for (size_t l = 0; l < num_labels; ++l) {
    const int label = static_cast<int>(l);
    const size_t first = Tally::kFirstLabel + 3 * l;
    report.labels.push_back({used.labels[l], tally.support(label), tally.predicted(label), tally.count(label, label),
                             estimate(first), estimate(first + 1), estimate(first + 2)});
    auto& row = report.confusion.emplace_back();
    for (size_t p = 0; p <= num_labels; ++p) row.push_back(tally.count(label, static_cast<int>(p)));
  }
  return report;
}

EvalRecord make_eval_record(std::string id, std::string_view response, std::string_view solution,
                            const ProsodyLevels* measured, const ReasoningScore* score) {
  EvalRecord record;
  record.id = std::move(id);
  record.label = solution;
  record.prediction = extract_answer(response).value_or("");
  record.format = format_reward(response);
  if (score && score->status == ScoreStatus::kValue) record.criteria = score->criteria;
  if (measured) {
    const Faithfulness faithfulness = check_claims(parse_claims(reasoning_text(response)), *measured);
    record.checkable_claims = faithfulness.checkable;
    record.true_claims = faithfulness.true_claims;
    record.measured_attributes = faithfulness.measured_attributes;
    record.recalled_attributes = faithfulness.recalled_attributes;
  }
  return record;
}

}  // namespace prosodia
