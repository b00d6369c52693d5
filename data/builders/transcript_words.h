// The words of a transcript (split_words, data/prosody/word_times.h) as questions and answers name them. Pure functions
// over any bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

// Each word once: words that differ in case only are one.
std::vector<std::string> distinct_words(std::string_view text);

// What words are compared by: ASCII lower case.
std::string word_key(std::string_view word);

}  // namespace prosodia
