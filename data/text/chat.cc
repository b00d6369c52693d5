#include "data/text/chat.h"

#include <algorithm>
#include <array>

namespace prosodia {
namespace {

constexpr std::string_view kAudioTag = "<audio>";
constexpr std::array<std::string_view, 4> kRoles = {"system", "user", "assistant", "tool"};

struct ControlIds {
  int32_t im_start = -1, im_end = -1, audio = -1, audio_bos = -1, audio_eos = -1;
};

// A control token that is not flagged special would be matched in user text: such a tokenizer is refused.
Result<int32_t> control_id(const Tokenizer& tokenizer, std::string_view name) {
  const auto id = tokenizer.token_id(name);
  if (!id || !tokenizer.is_special(*id)) {
    return fail(ErrorCode::kInvalidInput,
                "the tokenizer has no special token {}; expected the tokenizer of Qwen2.5-Omni", name);
  }
  return *id;
}

class ChatEncoder {
 public:
  ChatEncoder(const Tokenizer& tokenizer, std::span<const int64_t> audio_counts)
      : tokenizer_(tokenizer), audio_counts_(audio_counts) {}

  Status init(bool with_audio) {
    PROSODIA_ASSIGN(ids_.im_start, control_id(tokenizer_, kImStart));
    PROSODIA_ASSIGN(ids_.im_end, control_id(tokenizer_, kImEnd));
    if (!with_audio) return {};  // plain Qwen2 has no audio tokens
    PROSODIA_ASSIGN(ids_.audio, control_id(tokenizer_, kAudio));
    PROSODIA_ASSIGN(ids_.audio_bos, control_id(tokenizer_, kAudioBos));
    PROSODIA_ASSIGN(ids_.audio_eos, control_id(tokenizer_, kAudioEos));
    return {};
  }

  void add_turn(const ChatTurn& turn) {
    const uint8_t mask = turn.role == "assistant" ? 1 : 0;
    add_control(ids_.im_start, 0);
    // Text up to the next control token is one segment; the role's line in front of it is not content.
    std::string segment = turn.role + "\n";
    size_t header_bytes = segment.size();
    for (const ChatItem& item : turn.items) {
      if (item.kind == ChatItem::kText) {
        segment += item.text;
        continue;
      }
      add_text(segment, header_bytes, mask);
      segment.clear();
      header_bytes = 0;
      add_audio(mask);
    }
    add_text(segment, header_bytes, mask);
    add_control(ids_.im_end, mask);
    add_text("\n", 0, 0);
  }

  void add_generation_prompt() {
    add_control(ids_.im_start, 0);
    add_text("assistant\n", 0, 0);
  }

  EncodedChat take() { return std::move(chat_); }

 private:
  void add_control(int32_t id, uint8_t mask) {
    chat_.token_ids.push_back(id);
    chat_.assistant_mask.push_back(mask);
  }

  // A token that begins inside the first `header_bytes` is not content, even if it reaches into it: at generation time
  // the header is already there. Offsets count normalised bytes, which for the ASCII header are the same.
  void add_text(std::string_view segment, size_t header_bytes, uint8_t mask) {
    size_t offset = 0;
    for (const int32_t id : tokenizer_.encode(segment, false)) {
      add_control(id, offset < header_bytes ? 0 : mask);
      offset += tokenizer_.token_bytes(id).size();
    }
  }

  void add_audio(uint8_t mask) {
    add_control(ids_.audio_bos, mask);
    for (int64_t i = 0; i < audio_counts_[next_audio_]; ++i) add_control(ids_.audio, mask);
    add_control(ids_.audio_eos, mask);
    ++next_audio_;
  }

  const Tokenizer& tokenizer_;
  std::span<const int64_t> audio_counts_;
  size_t next_audio_ = 0;
  ControlIds ids_;
  EncodedChat chat_;
};

Status check_turns(std::span<const ChatTurn> turns, std::span<const int64_t> audio_counts) {
  size_t num_audios = 0;
  for (size_t i = 0; i < turns.size(); ++i) {
    if (std::ranges::find(kRoles, turns[i].role) == kRoles.end()) {
      return fail(ErrorCode::kInvalidInput, "message {}: role \"{}\"; expected system, user, assistant or tool", i + 1,
                  turns[i].role);
    }
    num_audios += std::ranges::count(turns[i].items, ChatItem::kAudio, &ChatItem::kind);
  }
  if (num_audios != audio_counts.size()) {
    return fail(ErrorCode::kInvalidInput, "the messages hold {} audio tags, but {} audios are given", num_audios,
                audio_counts.size());
  }
  for (size_t i = 0; i < audio_counts.size(); ++i) {
    if (audio_counts[i] < 1) return fail(ErrorCode::kInvalidInput, "audio {}: too short for one audio token", i + 1);
  }
  return {};
}

}  // namespace

std::vector<ChatItem> split_audio_tags(std::string_view content) {
  std::vector<ChatItem> items;
  for (size_t at = 0; at < content.size();) {
    const size_t tag = std::min(content.find(kAudioTag, at), content.size());
    if (tag > at) items.push_back({ChatItem::kText, std::string(content.substr(at, tag - at))});
    if (tag == content.size()) break;
    items.push_back({ChatItem::kAudio, ""});
    at = tag + kAudioTag.size();
  }
  return items;
}

Result<EncodedChat> encode_chat(const Tokenizer& tokenizer, std::span<const ChatTurn> turns,
                                std::span<const int64_t> audio_token_counts, bool add_generation_prompt) {
  PROSODIA_TRY(check_turns(turns, audio_token_counts));
  ChatEncoder encoder(tokenizer, audio_token_counts);
  PROSODIA_TRY(encoder.init(!audio_token_counts.empty()));
  if (!turns.empty() && turns.front().role != "system") {
    encoder.add_turn({"system", {{ChatItem::kText, std::string(kDefaultSystemPrompt)}}});
  }
  for (const ChatTurn& turn : turns) encoder.add_turn(turn);
  if (add_generation_prompt) encoder.add_generation_prompt();
  return encoder.take();
}

}  // namespace prosodia
