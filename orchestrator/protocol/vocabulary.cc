#include "orchestrator/protocol/vocabulary.h"

#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

std::string_view name(Role role) {
  switch (role) {
    case Role::kRollout:
      return "rollout";
    case Role::kReward:
      return "reward";
    case Role::kLearner:
      return "learner";
  }
  return "unknown";
}

std::string_view name(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

std::string_view name(ReasoningStatus status) {
  switch (status) {
    case ReasoningStatus::kValue:
      return "value";
    case ReasoningStatus::kTimeout:
      return "timeout";
    case ReasoningStatus::kUnparsable:
      return "unparsable";
    case ReasoningStatus::kError:
      return "error";
    case ReasoningStatus::kNotRequested:
      return "not_requested";
  }
  return "unknown";
}

std::string_view name(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kStaleLease:
      return "stale_lease";
    case RefusalReason::kDuplicate:
      return "duplicate";
    case RefusalReason::kUnknownLease:
      return "unknown_lease";
    case RefusalReason::kWrongGroup:
      return "wrong_group";
    case RefusalReason::kWrongVersion:
      return "wrong_version";
    case RefusalReason::kMalformed:
      return "malformed";
    case RefusalReason::kStaleEpoch:
      return "stale_epoch";
    case RefusalReason::kOutOfOrder:
      return "out_of_order";
    case RefusalReason::kBadRole:
      return "bad_role";
    case RefusalReason::kIncomplete:
      return "incomplete";
  }
  return "unknown";
}

}  // namespace prosodia::protocol
