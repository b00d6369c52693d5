// Qwen2's pre-tokenizer: cuts text into the words that byte-pair encoding works on.
//
// Called by the tokenizer and the trainer. Pure, thread-safe.
// Equivalent to splitting at the matches of kQwen2SplitPattern in Oniguruma, written as a scanner because no regular
// expression library at hand has both lookahead and Unicode classes of that meaning.
#pragma once

#include <cstddef>
#include <string_view>

namespace prosodia {

inline constexpr std::string_view kQwen2SplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// End of the word that begins at `begin` < text.size(). `text` must be valid UTF-8 and `begin` a character's start.
size_t word_end(std::string_view text, size_t begin);

}  // namespace prosodia
