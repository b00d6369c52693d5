#include "data/text/added_tokens.h"

#include <algorithm>

#include "data/base/check.h"

namespace prosodia {

std::vector<AddedToken> omni_added_tokens() {
  constexpr std::array<std::string_view, 14> kControl = {
      kEndOfText,       kImStart,         kImEnd,           kAudio,         kAudioBos,
      kAudioEos,        "<|box_end|>",    "<|quad_start|>", "<|quad_end|>", "<|vision_bos|>",
      "<|vision_eos|>", "<|vision_pad|>", "<|IMAGE|>",      "<|VIDEO|>"};
  constexpr std::array<std::string_view, 8> kPlain = {"<tool_call>",    "</tool_call>",   "<|fim_prefix|>",
                                                      "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
                                                      "<|repo_name|>",  "<|file_sep|>"};
  std::vector<AddedToken> tokens;
  for (const std::string_view name : kControl) tokens.push_back({.content = std::string(name), .special = true});
  for (const std::string_view name : kPlain) tokens.push_back({.content = std::string(name), .special = false});
  return tokens;
}

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) : tokens_(tokens) {
  const auto first_byte = [](const AddedToken& token) { return static_cast<uint8_t>(token.content.front()); };
  for (const AddedToken& token : tokens_) PROSODIA_CHECK(!token.content.empty(), "added token {} is empty", token.id);
  std::ranges::sort(tokens_, [&](const AddedToken& a, const AddedToken& b) {
    if (first_byte(a) != first_byte(b)) return first_byte(a) < first_byte(b);
    return a.content.size() > b.content.size();
  });
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    auto& [begin, end] = by_first_byte_[first_byte(tokens_[i])];
    if (begin == end) begin = i;
    end = i + 1;
  }
}

AddedTokenMatcher::Match AddedTokenMatcher::find(std::string_view text, size_t from) const {
  for (size_t at = tokens_.empty() ? text.size() : from; at < text.size(); ++at) {
    const auto [begin, end] = by_first_byte_[static_cast<uint8_t>(text[at])];
    for (uint32_t i = begin; i < end; ++i) {
      if (text.substr(at).starts_with(tokens_[i].content)) return {at, at + tokens_[i].content.size(), tokens_[i].id};
    }
  }
  return {text.size(), text.size(), -1};
}

}  // namespace prosodia
