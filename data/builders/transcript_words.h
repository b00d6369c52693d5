// The words of a transcript as questions and answers name them. Pure functions over any bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

// Split at white space, without punctuation around them ("“Kids,”" is "Kids"); what has neither letter nor digit is
// left out.
std::vector<std::string> transcript_words(std::string_view text);

// The same, each once: words that differ in case only are one.
std::vector<std::string> distinct_words(std::string_view text);

// What words are compared by: ASCII lower case.
std::string word_key(std::string_view word);

}  // namespace prosodia
