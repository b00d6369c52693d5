// Qwen2.5-Omni's chat template as token ids, safe against injection.
//
// Called by the processor. Pure, thread-safe. A turn is `<|im_start|>{role}\n{content}<|im_end|>\n`; an audio item is
// `<|audio_bos|>` + N × `<|AUDIO|>` + `<|audio_eos|>`. Control tokens come from the template alone: the same spellings
// in content are plain text. What stands between two control tokens ("user\nTEXT") is tokenised as one segment, as
// transformers does on the rendered text.
// Failure: kInvalidInput for an unknown role, a wrong number of audio counts, or a tokenizer without the control
// tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/text/tokenizer.h"

namespace prosodia {

struct ChatItem {
  enum Kind { kText, kAudio } kind = kText;
  std::string text;  // empty for kAudio
  friend bool operator==(const ChatItem&, const ChatItem&) = default;
};

struct ChatTurn {
  std::string role;  // system | user | assistant | tool
  std::vector<ChatItem> items;
};

// Inserted when the first turn is not a system turn.
inline constexpr std::string_view kDefaultSystemPrompt = "You are a helpful assistant.";

// ms-swift's `<audio>` tags to items; empty text between tags is dropped.
std::vector<ChatItem> split_audio_tags(std::string_view content);

struct EncodedChat {
  std::vector<int32_t> token_ids;
  std::vector<uint8_t> assistant_mask;  // 1 on the content of assistant turns and its <|im_end|>; as long as token_ids
};

// audio_token_counts: one for each audio item in order, each at least 1 (num_audio_tokens of the clip's frames).
Result<EncodedChat> encode_chat(const Tokenizer& tokenizer, std::span<const ChatTurn> turns,
                                std::span<const int64_t> audio_token_counts, bool add_generation_prompt);

}  // namespace prosodia
