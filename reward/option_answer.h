// Answers to questions with fixed options (the prosody test: "low", "normal" or "high"; a word of the transcript).
// Pure; thread-safe; any bytes are accepted. Called by `eval`.
//
// A response names an option when, after case folding, with punctuation and hyphens as spaces and apostrophes dropped,
// the option stands in it as whole words. Longer options are looked for first and take their words away, so that
// "rising-falling" is not "rising". Only the single <answer> is read when there is one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace prosodia {

// The one option that the response names, as written in `options`; nothing when it names none or several.
std::optional<std::string> chosen_option(std::string_view response, std::span<const std::string> options);

// chosen_option() is the solution, or the whole response equals it.
bool option_answer_matches(std::string_view response, std::string_view solution, std::span<const std::string> options);

}  // namespace prosodia
