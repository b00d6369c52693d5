// What several messages are made of: limits, roles, completions, scores. Plain values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"

namespace prosodia::protocol {

struct Limits {
  static constexpr size_t kNameBytes = 256;
  static constexpr size_t kEndpointBytes = 1024;
  static constexpr size_t kReasonBytes = size_t{64} << 10;
  static constexpr size_t kRowBytes = size_t{4} << 20;
  static constexpr size_t kTextBytes = size_t{16} << 20;
  static constexpr size_t kTokens = size_t{1} << 20;  // per completion
  static constexpr size_t kCompletions = 4096;        // per group
  static constexpr size_t kGroups = size_t{1} << 16;  // per step
  static constexpr size_t kMetrics = 4096;
  static constexpr size_t kLeases = 65536;
  static constexpr size_t kVersions = 4096;
};

enum class Role : uint8_t { kRollout = 1, kReward = 2, kLearner = 3 };
std::string_view name(Role role);

enum class FinishReason : uint8_t {
  kStop = 0,
  kLength = 1
};                                           // an end token was sampled | max_completion_length reached
std::string_view name(FinishReason reason);  // "stop", "length"

// What became of a response's reasoning score R_t. Only kValue carries one.
enum class ReasoningStatus : uint8_t { kValue = 0, kTimeout = 1, kUnparsable = 2, kError = 3, kNotRequested = 4 };
std::string_view name(ReasoningStatus status);

struct Completion {
  std::vector<int32_t> token_ids;  // sampled tokens, the end token included
  std::vector<float> logprobs;     // of token_ids under the sampling policy, same length; decode() checks it
  FinishReason finish_reason = FinishReason::kStop;
  std::string text;  // decoded without special tokens
};

struct ResponseScore {
  bool scored = false;   // format and accuracy are values (false only when the whole group could not be scored)
  bool present = false;  // takes part in the group's advantage and loss
  ReasoningStatus reasoning_status = ReasoningStatus::kNotRequested;
  double format = 0;                 // R_f
  double accuracy = 0;               // R_o
  std::array<double, 4> criteria{};  // g_1..g_4 in [1, 5]; zeros without a value
  double reasoning = 0;              // R_t in [0.2, 1]; 0 without a value
  uint32_t claims = 0;               // prosody claims found in <think>
  uint32_t true_claims = 0;          // … that the signal bears out
  double faithfulness = 0;           // score of reward/faithfulness.h; meaningful when claims > 0
  double total = 0;                  // R
  std::string detail;                // why a score is missing; not part of any digest
};

struct ServedVersion {
  PolicyVersion version;
  Digest digest;  // of the weights' bytes, as Snapshot::digest (bulk.h) and StepDone::weights_digest
};

}  // namespace prosodia::protocol
