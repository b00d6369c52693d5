// How many syllables a text has when spoken, by spelling.
//
// Called by: measure.cc (speed), word_times.cc (shares of time). Thread rule: pure functions. Failure rule: a language
// without a rule gives nullopt, never a guess.
#pragma once

#include <optional>
#include <string_view>

namespace prosodia {

// `language`: BCP-47 primary tag; "en" and "de" have rules. Each word has at least one syllable; white space, hyphens
// and punctuation separate words, apostrophes do not; digits are not words.
//   en  vowel groups, silent final e, a list of common exceptions
//   de  vowels and diphthongs; every written e is spoken
std::optional<int> count_syllables(std::string_view text, std::string_view language);

}  // namespace prosodia
