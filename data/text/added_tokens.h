// Added tokens: pieces with an id that text is split on before the byte-pair encoding sees it (<|im_start|>, …).
//
// Called by the tokenizer. AddedTokenMatcher is immutable after construction: const methods are thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

struct AddedToken {
  std::string content;  // literal text
  bool special = true;  // control token: skipped by decode(skip_special), plain text for encode(allow_special = false)
  int32_t id = -1;      // -1: the tokenizer gives the next free id
  bool normalized = false;  // matched after NFC rather than before
};

// The 22 tokens of Qwen2.5-Omni, in id order (151643… in the published model; right after the base vocabulary in a
// fresh one). <think>, </think>, <answer>, </answer> are not among them: Qwen2.5 spells them with ordinary tokens.
std::vector<AddedToken> omni_added_tokens();

// Names that the chat template and the model need.
inline constexpr std::string_view kEndOfText = "<|endoftext|>";  // padding; also a stop token
inline constexpr std::string_view kImStart = "<|im_start|>";
inline constexpr std::string_view kImEnd = "<|im_end|>";  // end of a turn: the stop token
inline constexpr std::string_view kAudio = "<|AUDIO|>";   // placeholder, one for each audio token
inline constexpr std::string_view kAudioBos = "<|audio_bos|>";
inline constexpr std::string_view kAudioEos = "<|audio_eos|>";

// Finds added tokens in text: leftmost, longest first.
class AddedTokenMatcher {
 public:
  struct Match {
    size_t begin = 0, end = 0;  // bytes
    int32_t id = -1;
  };
  // Contents must not be empty.
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens = {});
  // The first match at or after `from`; id -1 and begin = end = text.size() when there is none.
  Match find(std::string_view text, size_t from) const;
  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;                                  // by first byte, then longest first
  std::array<std::pair<uint32_t, uint32_t>, 256> by_first_byte_{};  // ranges of tokens_
};

}  // namespace prosodia
