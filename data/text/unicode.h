// UTF-8, character classes and NFC, as the tokenizer needs them: classes of Unicode 16 and NFC of Unicode 9, which is
// what Hugging Face's `tokenizers` has. Both come from utf8proc, corrected by unicode_tables.h.
//
// Called by the tokenizer, the trainer and the chat template. Pure, thread-safe; no input is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace prosodia {

struct Utf8Char {
  enum Kind : uint8_t { kValid, kInvalid, kIncomplete /* cut off by the end of the text */ } kind = kInvalid;
  uint8_t length = 1;       // bytes; for the other two kinds the maximal subpart that one U+FFFD replaces
  char32_t code_point = 0;  // when valid
};

// The character at `at` < text.size(). Overlong forms, surrogates and values above U+10FFFF are invalid.
Utf8Char utf8_at(std::string_view text, size_t at);

// Appends `bytes` with each invalid subpart as U+FFFD, as Rust's from_utf8_lossy and Python's errors="replace" do.
void append_utf8_lossy(std::string_view bytes, std::string& out);

// How many bytes at the end form the beginning of a character that is not complete yet: 0 to 3.
size_t incomplete_utf8_tail(std::string_view bytes);

bool is_valid_utf8(std::string_view text);

enum class CharClass : uint8_t { kOther, kLetter /* \p{L} */, kNumber /* \p{N} */, kSpace /* White_Space */ };
CharClass char_class(char32_t code_point);

// Canonical composition. `text` must be valid UTF-8.
std::string nfc(std::string_view text);

}  // namespace prosodia
