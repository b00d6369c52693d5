// Where the four grades stand in a reward model's answer (data/corpus/rm_row.h), in the tokens of one tokenizer: every
// other token of the answer is forced, at a slot the distribution over the five digits is read.
//
// Called by the grader and by train-rm. Pure; immutable once made.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/rm_row.h"
#include "workers/model/processor.h"

namespace prosodia {

struct AnswerSlots {
  static constexpr int kDigits = kMaxRmScore - kMinRmScore + 1;
  // In front of the slot of grade j, from the slot before it; in front of the first: from the answer's beginning.
  std::array<std::vector<int32_t>, kNumRmScores> forced;
  std::array<int32_t, kDigits> digit_ids{};  // of kMinRmScore … kMaxRmScore

  // kInvalidInput when the tokenizer does not give every grade one token of its own.
  static Result<AnswerSlots> find(const Processor& processor);

  // Tokens of the answer up to its last grade.
  int64_t length() const;
};

// Keeps, of an encoded row's targets (assistant_mask), only the four grades. kInvalidInput naming `origin` when there
// are not exactly four.
Status keep_digit_targets(const AnswerSlots& slots, std::string_view origin, EncodedPrompt& conversation);

}  // namespace prosodia
