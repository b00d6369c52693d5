#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "data/text/byte_alphabet.h"
#include "data/text/tokenizer_json.h"
#include "data/text/word_split.h"

namespace prosodia {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% "
    "endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for item in message['content'] %}"
    "{% if item['type'] == 'audio' or 'audio' in item %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif 'text' in item %}{{ item['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// Attributes under which Qwen2_5OmniProcessor looks for its tokens.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNamedTokens = {{
    {"image_token", "<|IMAGE|>"},
    {"audio_token", kAudio},
    {"video_token", "<|VIDEO|>"},
    {"vision_bos_token", "<|vision_bos|>"},
    {"vision_eos_token", "<|vision_eos|>"},
    {"audio_bos_token", kAudioBos},
    {"audio_eos_token", kAudioEos},
}};

Json flags_of(const AddedToken& token) {
  return {{"content", token.content}, {"single_word", false},           {"lstrip", false},
          {"rstrip", false},          {"normalized", token.normalized}, {"special", token.special}};
}

std::string json_string(std::string_view text) { return Json(text).dump(); }

// ordered_json looks keys up linearly, which takes minutes for 151,643 of them, so the vocabulary is written by hand.
std::string vocab_object(const BpeModel& model) {
  std::string text = "{";
  const char* separator = "";
  for (size_t id = 0; id < model.pieces().size(); ++id) {
    if (model.pieces()[id].empty()) continue;
    text += fmt::format("{}{}:{}", separator, json_string(to_printable(model.pieces()[id])), id);
    separator = ",";
  }
  return text + "}";
}

std::string merge_line(const BpeModel& model, std::pair<int32_t, int32_t> merge) {
  return to_printable(model.pieces()[merge.first]) + " " + to_printable(model.pieces()[merge.second]);
}

}  // namespace

std::string write_vocab_json(const BpeModel& model) { return vocab_object(model) + "\n"; }

std::string write_merges_txt(const BpeModel& model) {
  std::string text = "#version: 0.2\n";
  for (const auto& merge : model.merges()) text += merge_line(model, merge) + "\n";
  return text;
}

std::string write_tokenizer_json(const BpeModel& model, const std::vector<AddedToken>& added_tokens, bool nfc) {
  Json added = Json::array();
  for (const AddedToken& token : added_tokens) {
    Json entry = {{"id", token.id}};
    entry.update(flags_of(token));
    added.push_back(std::move(entry));
  }
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", kQwen2SplitPattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  std::string merges = "[";
  for (size_t i = 0; i < model.merges().size(); ++i) {
    merges += (i > 0 ? "," : "") + json_string(merge_line(model, model.merges()[i]));
  }
  merges += "]";
  std::string text = "{\n\"version\":\"1.0\",\n\"truncation\":null,\n\"padding\":null,\n";
  text += "\"added_tokens\":" + added.dump() + ",\n";
  text += std::string("\"normalizer\":") + (nfc ? R"({"type":"NFC"})" : "null") + ",\n";
  text += "\"pre_tokenizer\":" + Json{{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}}.dump() + ",\n";
  text += "\"post_processor\":" + byte_level.dump() + ",\n\"decoder\":" + byte_level.dump() + ",\n";
  text +=
      R"("model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"","end_of_word_suffix":"",)"
      R"("fuse_unk":false,"byte_fallback":false,"ignore_merges":false,)";
  text += "\n\"vocab\":" + vocab_object(model) + ",\n\"merges\":" + merges + "}\n}\n";
  return text;
}

std::string write_tokenizer_config_json(const std::vector<AddedToken>& added_tokens) {
  Json decoder = Json::object();
  Json additional = Json::array();
  Json named = Json::object();
  const auto present = [&](std::string_view name) {
    return std::ranges::any_of(added_tokens, [&](const AddedToken& token) { return token.content == name; });
  };
  for (const AddedToken& token : added_tokens) {
    decoder[std::to_string(token.id)] = flags_of(token);
    if (token.special && token.content != kEndOfText) additional.push_back(token.content);
  }
  for (const auto& [attribute, token] : kNamedTokens) {
    if (present(token)) named[std::string(attribute)] = token;
  }
  Json config = {{"add_bos_token", false},
                 {"add_prefix_space", false},
                 {"added_tokens_decoder", decoder},
                 {"additional_special_tokens", additional},
                 {"bos_token", nullptr},
                 {"chat_template", kChatTemplate},
                 {"clean_up_tokenization_spaces", false},
                 {"eos_token", present(kImEnd) ? Json(kImEnd) : Json()},
                 {"errors", "replace"},
                 {"extra_special_tokens", named},
                 {"model_max_length", 32768},
                 {"pad_token", present(kEndOfText) ? Json(kEndOfText) : Json()},
                 {"split_special_tokens", false},
                 {"tokenizer_class", "Qwen2Tokenizer"},
                 {"unk_token", nullptr}};
  config.update(named);
  return config.dump(2) + "\n";
}

}  // namespace prosodia
