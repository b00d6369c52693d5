// Text as old releases have it: splitting, letter case, Latin-1 and Windows-1252. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

std::string lower_ascii(std::string_view text);
std::string_view trim_ascii(std::string_view text);                             // white space at both ends
std::vector<std::string_view> split_at(std::string_view text, char separator);  // "a--b" has an empty middle
std::vector<std::string_view> split_lines(std::string_view text);               // "\n" and "\r\n"; no empty last line

// UTF-8 without a byte order mark. Text that is no UTF-8 is read as Windows-1252 (of which Latin-1's letters are a
// part), and the C1 controls that a careless Latin-1 decoding made of Windows' punctuation become that punctuation.
std::string to_utf8(std::string_view bytes);

// One line for a transcript: white space collapsed, typographic apostrophes as ' (the tokenizer of most speech models
// has seen that one far more often).
std::string clean_transcript(std::string_view utf8);

}  // namespace prosodia
