// GPT-2's printable alphabet: each byte as one visible character, so that tokens can be written in text files.
// Bytes 33-126, 161-172 and 174-255 stand for themselves; the other 68, ascending, are U+0100, U+0101, …
//
// Called by the tokenizer's file reader and writer, and by the trainer. Pure, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace prosodia {

std::string to_printable(std::string_view bytes);
std::optional<std::string> from_printable(std::string_view text);  // nullopt when a character is not of the alphabet

// The 256 bytes in the order of their characters: the ids 0 to 255 of a byte-level vocabulary ('!' is 0).
const std::array<uint8_t, 256>& bytes_in_alphabet_order();

}  // namespace prosodia
