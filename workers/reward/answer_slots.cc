#include "workers/reward/answer_slots.h"

#include <algorithm>

namespace prosodia {
namespace {

Sample graded_row(int score) {
  Sample sample;
  sample.messages = rm_messages(PromptStyle::kShort, {});
  sample.messages.push_back({"assistant", rm_answer({score, score, score, score})});
  sample.origin = "the reward model's answer";
  return sample;
}

// The targets of the row: the answer and its <|im_end|>.
Result<std::vector<int32_t>> answer_ids(const Processor& processor, int score) {
  const Sample sample = graded_row(score);
  PROSODIA_ASSIGN(const EncodedPrompt whole, processor.encode(sample, /*generation_prompt=*/false));
  PROSODIA_ASSIGN(const EncodedPrompt prompt, processor.encode(sample, /*generation_prompt=*/true));
  std::vector<int32_t> ids;
  for (size_t i = 0; i < whole.token_ids.size(); ++i)
    if (whole.assistant_mask[i]) ids.push_back(whole.token_ids[i]);
  const auto first = std::ranges::find(whole.assistant_mask, 1) - whole.assistant_mask.begin();
  const bool same_start = static_cast<size_t>(first) == prompt.token_ids.size() &&
                          std::equal(prompt.token_ids.begin(), prompt.token_ids.end(), whole.token_ids.begin());
  if (!same_start)
    return fail(ErrorCode::kInvalidInput, "the tokenizer joins the answer with what stands in front of it");
  return ids;
}

Error no_digit_tokens(std::string_view why) {
  return {
      ErrorCode::kInvalidInput,
      fmt::format("this tokenizer cannot answer as a reward model: {}; expected one token for each of the grades {} "
                  "to {}, as Qwen2's tokenizer has",
                  why, kMinRmScore, kMaxRmScore)};
}

}  // namespace

Result<AnswerSlots> AnswerSlots::find(const Processor& processor) {
  std::array<std::vector<int32_t>, kDigits> answers;
  for (int d = 0; d < kDigits; ++d) {
    PROSODIA_ASSIGN(answers[d], answer_ids(processor, kMinRmScore + d));
    if (answers[d].size() != answers[0].size())
      return tl::unexpected(no_digit_tokens("answers differ in length with their grades"));
  }
  AnswerSlots slots;
  size_t slot = 0, begin = 0;
  for (size_t i = 0; i < answers[0].size(); ++i) {
    std::array<int32_t, kDigits> ids;
    for (int d = 0; d < kDigits; ++d) ids[d] = answers[d][i];
    if (std::ranges::all_of(ids, [&](int32_t id) { return id == ids[0]; })) continue;
    auto sorted = ids;
    std::ranges::sort(sorted);
    if (slot == kNumRmScores || std::ranges::adjacent_find(sorted) != sorted.end() ||
        (slot > 0 && ids != slots.digit_ids))
      return tl::unexpected(no_digit_tokens("a grade changes other tokens than its own"));
    slots.digit_ids = ids;
    slots.forced[slot++].assign(answers[0].begin() + static_cast<std::ptrdiff_t>(begin),
                                answers[0].begin() + static_cast<std::ptrdiff_t>(i));
    begin = i + 1;
  }
  if (slot != kNumRmScores) return tl::unexpected(no_digit_tokens("grades share tokens"));
  for (const auto& tokens : slots.forced)
    if (tokens.empty()) return tl::unexpected(no_digit_tokens("a grade has no token in front of it"));
  return slots;
}

int64_t AnswerSlots::length() const {
  size_t tokens = kNumRmScores;
  for (const auto& part : forced) tokens += part.size();
  return static_cast<int64_t>(tokens);
}

Status keep_digit_targets(const AnswerSlots& slots, std::string_view origin, EncodedPrompt& conversation) {
  size_t kept = 0;
  for (size_t i = 0; i < conversation.token_ids.size(); ++i) {
    uint8_t& target = conversation.assistant_mask[i];
    target = target && std::ranges::find(slots.digit_ids, conversation.token_ids[i]) != slots.digit_ids.end();
    kept += target;
  }
  if (kept == kNumRmScores) return {};
  return fail(ErrorCode::kInvalidInput, "{}: the answer holds {} grades, expected {}", origin, kept, kNumRmScores);
}

}  // namespace prosodia
