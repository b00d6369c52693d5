// One TaskReward to one RewardResult: rules, faithfulness, and the grades that somebody else supplies. Pure apart from
// the callback; thread-safe.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"
#include "reward/group_reward.h"

namespace prosodia {

// Grades all responses of a row; called at most once a group, and only when R_t counts at the task's gate.
using GradeResponses =
    std::function<std::vector<ReasoningScore>(const nlohmann::json& row, const std::vector<std::string>& responses)>;

// kInvalidInput when the row is no JSON object or has no "solution" string, or the gate is not in [0, 1]: the group
// cannot be scored by anyone. A row without usable "prosody" only loses the faithfulness metric.
// On the wire "no value" is a status and a zero (messages.h), not a NaN; `claims` are the checkable ones.
Result<protocol::RewardResult> score_group(const protocol::TaskReward& task, const RewardOptions& options,
                                           const GradeResponses& grade);

}  // namespace prosodia
