#include "reward/evaluation_sets.h"

#include <algorithm>
#include <set>

#include "reward/evaluation_metrics.h"

namespace prosodia {
namespace {

// What a prosody record predicts when it is wrong: never an attribute's name.
constexpr const char* kWrong = "\x01";

constexpr std::string_view kOrder[] = {"pitch",      "rate",   "speed",   "energy", "volume",
                                       "intonation", "stress", "emotion", "gender", "age"};
constexpr std::string_view kComparative = "comparative_";

std::pair<size_t, std::string> rank(const std::string& attribute) {
  const bool comparative = attribute.starts_with(kComparative);
  const std::string_view plain = std::string_view(attribute).substr(comparative ? kComparative.size() : 0);
  const auto at = static_cast<size_t>(std::ranges::find(kOrder, plain) - std::begin(kOrder));
  return {(comparative ? 100 : 0) + at, attribute};
}

Result<std::optional<EvalReport>> report_of(const EvalSetRecords& set, EvalTask task, const EvalOptions& options) {
  const std::vector<EvalRecord> records = records_of(set.records, task);
  if (records.empty()) return std::optional<EvalReport>();
  EvalOptions used = options;
  if (task == EvalTask::kProsody) used.labels = attribute_order(records);
  auto report = evaluate(records, used);
  if (!report) return wrap(report.error(), set.name);
  return std::optional<EvalReport>(std::move(*report));
}

Result<std::optional<EvalReport>> average_of(std::span<const EvalSetRecords> sets, EvalTask task,
                                             const EvalOptions& options) {
  std::vector<std::vector<EvalRecord>> parts;
  for (const EvalSetRecords& set : sets)
    if (auto records = records_of(set.records, task); !records.empty()) parts.push_back(std::move(records));
  if (parts.size() < 2) return std::optional<EvalReport>();
  PROSODIA_ASSIGN(const MeasuredRun run, measure_run(parts, options));
  return std::optional<EvalReport>(report_of_average(run, options));
}

}  // namespace

std::string_view name(EvalTask task) { return task == EvalTask::kEmotion ? "emotion" : "prosody"; }

std::vector<EvalRecord> records_of(std::span<const EvalRecord> records, EvalTask task) {
  std::vector<EvalRecord> chosen;
  for (const EvalRecord& record : records) {
    if (record.attribute.empty() != (task == EvalTask::kEmotion)) continue;
    chosen.push_back(record);
    if (task == EvalTask::kEmotion) continue;
    chosen.back().label = record.attribute;
    chosen.back().prediction = record.attribute_right ? record.attribute : kWrong;
  }
  return chosen;
}

std::vector<std::string> attribute_order(std::span<const EvalRecord> records) {
  std::set<std::string> seen;
  for (const EvalRecord& record : records)
    if (!record.attribute.empty()) seen.insert(record.attribute);
  std::vector<std::string> order(seen.begin(), seen.end());
  std::ranges::sort(order, [](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  return order;
}

Result<EvalSummary> evaluate_sets(std::span<const EvalSetRecords> sets, const EvalOptions& options) {
  if (sets.empty()) return fail(ErrorCode::kInvalidInput, "nothing to evaluate: no sets");
  EvalSummary summary;
  for (const EvalSetRecords& set : sets) {
    if (set.records.empty()) return fail(ErrorCode::kInvalidInput, "{}: nothing to evaluate: no records", set.name);
    EvalSetReport report{.name = set.name};
    PROSODIA_ASSIGN(report.emotion, report_of(set, EvalTask::kEmotion, options));
    PROSODIA_ASSIGN(report.prosody, report_of(set, EvalTask::kProsody, options));
    summary.sets.push_back(std::move(report));
  }
  PROSODIA_ASSIGN(summary.emotion_average, average_of(sets, EvalTask::kEmotion, options));
  PROSODIA_ASSIGN(summary.prosody_average, average_of(sets, EvalTask::kProsody, options));
  return summary;
}

}  // namespace prosodia
