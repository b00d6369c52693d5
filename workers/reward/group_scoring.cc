#include "workers/reward/group_scoring.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/check.h"
#include "data/base/json.h"
#include "data/corpus/dataset.h"
#include "reward/acoustic_scorer.h"
#include "reward/faithfulness.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

using protocol::ReasoningStatus;

static_assert(static_cast<int>(ScoreStatus::kValue) == static_cast<int>(ReasoningStatus::kValue) &&
              static_cast<int>(ScoreStatus::kTimeout) == static_cast<int>(ReasoningStatus::kTimeout) &&
              static_cast<int>(ScoreStatus::kUnparsable) == static_cast<int>(ReasoningStatus::kUnparsable) &&
              static_cast<int>(ScoreStatus::kError) == static_cast<int>(ReasoningStatus::kError) &&
              static_cast<int>(ScoreStatus::kNotRequested) == static_cast<int>(ReasoningStatus::kNotRequested));

constexpr size_t kMaxDetailBytes = 1000;  // of one response, in the samples log

double or_zero(double value) { return std::isnan(value) ? 0 : value; }

Result<nlohmann::json> parse_row(const protocol::TaskReward& task) {
  PROSODIA_ASSIGN(auto row, parse_json_object(task.row_json, fmt::format("group {}: its dataset row", task.group_id)));
  const auto solution = row.find("solution");
  if (solution == row.end() || !solution->is_string()) {
    return fail(ErrorCode::kInvalidInput,
                "group {}: its dataset row{} has no \"solution\" string to compare answers with; add one to the row",
                task.group_id, row.contains(kOriginKey) ? " (" + row[kOriginKey].dump() + ")" : "");
  }
  return row;
}

protocol::ResponseScore to_wire(const ResponseReward& reward, const Faithfulness& faithfulness, std::string detail) {
  protocol::ResponseScore score;
  score.scored = true;
  score.present = reward.present;
  score.reasoning_status = static_cast<ReasoningStatus>(reward.reasoning_status);
  score.format = reward.format;
  score.accuracy = reward.accuracy;
  for (size_t j = 0; j < kNumCriteria; ++j) score.criteria[j] = or_zero(reward.criteria[j]);
  score.reasoning = or_zero(reward.reasoning);
  score.claims = static_cast<uint32_t>(faithfulness.checkable);
  score.true_claims = static_cast<uint32_t>(faithfulness.true_claims);
  score.faithfulness = or_zero(reward.faithfulness);
  score.total = or_zero(reward.total);
  detail.resize(std::min(detail.size(), kMaxDetailBytes));
  score.detail = std::move(detail);
  return score;
}

}  // namespace

Result<protocol::RewardResult> score_group(const protocol::TaskReward& task, const RewardOptions& options,
                                           const GradeResponses& grade) {
  PROSODIA_ASSIGN(const nlohmann::json row, parse_row(task));
  if (!(task.gate >= 0 && task.gate <= 1)) {
    return fail(ErrorCode::kInvalidInput, "group {}: gate {} is not in [0, 1]", task.group_id, task.gate);
  }
  const std::string solution = row.at("solution").get<std::string>();
  const auto measured = measured_levels(row);
  std::vector<std::string> responses;
  std::vector<RuleReward> rules;
  std::vector<Faithfulness> faithfulness;
  for (const auto& response : task.completions) {
    Faithfulness checked;
    if (measured) checked = check_claims(parse_claims(reasoning_text(response.text)), *measured);
    rules.push_back({format_reward(response.text) ? 1.0 : 0.0, answer_matches(response.text, solution) ? 1.0 : 0.0,
                     measured ? checked.score : kNoValue});
    responses.push_back(response.text);
    faithfulness.push_back(checked);
  }
  std::vector<ReasoningScore> reasoning;
  if (reasoning_counts(task.gate, options)) {
    reasoning = grade(row, responses);
    PROSODIA_CHECK(reasoning.size() == responses.size(), "{} grades for {} responses", reasoning.size(),
                   responses.size());
  }
  const GroupReward group = combine_rewards(rules, reasoning, task.gate, options);

  protocol::RewardResult result;
  result.group_id = task.group_id;
  result.gate = task.gate;
  result.tau = std::isnan(group.tau) ? 1.0 : group.tau;  // no R_t in the group: it multiplies nothing
  for (size_t i = 0; i < responses.size(); ++i) {
    result.responses.push_back(
        to_wire(group.responses[i], faithfulness[i], reasoning.empty() ? std::string() : reasoning[i].detail));
  }
  return result;
}

}  // namespace prosodia
