// The two rule rewards and the parts of a response they look at. Pure; thread-safe; any bytes are accepted (invalid
// UTF-8 never matches anything but itself, and never fails).
//
// Called by the reward worker, `eval`, the faithfulness scorer. Tags are exactly <think>, </think>, <answer>,
// </answer>: lower case, no attributes, no inner spaces. White space is Unicode's (Python's str.split()).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace prosodia {

// R_f: the whole response is <think>…</think> then <answer>…</answer>, each of the four tags exactly once, and nothing
// but white space before, between and after. The contents may be empty.
bool format_reward(std::string_view response);

// R_o: the text of the single <answer> equals `solution` after trimming, case folding (Unicode canonical caseless
// match, D145) and collapsing white space. False when there is no answer, when there are several (a second <answer> or
// </answer> anywhere), and when `solution` is blank. Needs no <think>.
bool answer_matches(std::string_view response, std::string_view solution);

// The text between the only <answer> and the only </answer>; none otherwise. Points into `response`; not trimmed.
std::optional<std::string_view> extract_answer(std::string_view response);
// Likewise for <think>.
std::optional<std::string_view> extract_think(std::string_view response);

// The reasoning of a response that need not be well-formed (cut at the length limit, no tags): the text after the first
// <think>, or from the beginning, up to </think>, <answer> or the end. Points into `response`.
std::string_view reasoning_text(std::string_view response);

// What answers are compared by: trimmed, case-folded, white space runs made one space.
std::string normalize_answer(std::string_view text);

}  // namespace prosodia
