// Splits free text into sentences of lower-case tokens for the claim parser. Pure; any bytes; linear time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

struct ClaimToken {
  std::string text;           // lower case (ASCII); "," for a comma; hyphenated words are separate tokens
  size_t begin = 0, end = 0;  // bytes in the source
  size_t quote_words = 0;     // words of the quotation this token is in; 0 = not quoted
};

using ClaimSentence = std::vector<ClaimToken>;

// Sentences end at . ! ? ; a dash, a line break, or a tag's '<' and '>'. Empty sentences are left out.
std::vector<ClaimSentence> split_claim_sentences(std::string_view text);

}  // namespace prosodia
