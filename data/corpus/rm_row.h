// What the reasoning reward model (EmotionThinker, arXiv 2601.15668) reads and answers: the messages of its rows and
// the JSON of its grades. `data build` writes rm.sft.jsonl and rm.eval.jsonl with these functions, `train-rm` reads
// them back and the reward-model scorer asks with them, so that training and scoring see the same tokens.
//
//   system     the instruction, short or the paper's
//   user       <audio>… QUESTION "\nResponse: " RESPONSE
//   assistant  {"factual_alignment":4,"interpretative_quality":2,"caption_completeness":5,
//               "fluency_structural_clarity":3}      in exactly this order, without white space
//
// Pure functions; thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/dataset.h"
#include "data/corpus/prompt_style.h"

namespace prosodia {

inline constexpr size_t kNumRmScores = 4;
inline constexpr std::array<std::string_view, kNumRmScores> kRmScoreKeys = {
    "factual_alignment", "interpretative_quality", "caption_completeness", "fluency_structural_clarity"};
inline constexpr int kMinRmScore = 1, kMaxRmScore = 5;

using RmScores = std::array<int, kNumRmScores>;  // in the order of kRmScoreKeys, each in [1, 5]

struct RmQuery {
  size_t num_audios = 0;      // of the row; one "<audio>" each, in front of the question
  std::string_view question;  // as rm_question() gives it
  std::string_view response;  // any bytes: no UTF-8 becomes U+FFFD, and a media tag in it stays text ("< audio>")
};

// System and user turn. The caller appends the assistant turn (rm_answer) to make a training row.
std::vector<Message> rm_messages(PromptStyle style, const RmQuery& query);

// What the user asked: the content of the last user message without its audio tags; "" when there is none.
std::string rm_question(std::span<const Message> messages);

// The assistant turn. Scores out of range abort: they are ours.
std::string rm_answer(const RmScores& scores);

// The inverse: an object with the four keys, in any order, each an integer in [1, 5]; further keys are ignored.
// kInvalidInput naming `where`, the key and what was found.
Result<RmScores> parse_rm_answer(std::string_view text, std::string_view where);

}  // namespace prosodia
