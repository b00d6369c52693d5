#include <algorithm>

#include "data/base/json.h"
#include "data/text/byte_alphabet.h"
#include "data/text/tokenizer_json.h"
#include "data/text/word_split.h"

namespace prosodia {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxGap = 65536;  // ids left out in a small vocabulary

// The member, or null when `json` is no object or has none.
const Json& member(const Json& json, std::string_view key) {
  static const Json null;
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found == json.end() ? null : *found;
}

// Missing, null, false, 0 or "": the option is off.
bool is_off(const Json& value) { return value.is_null() || value == false || value == 0 || value == ""; }

std::string type_of(const Json& json) {
  const Json& type = member(json, "type");
  return type.is_string() ? type.get<std::string>() : json.is_null() ? "null" : "(none)";
}

tl::unexpected<Error> foreign(std::string_view file, std::string_view key, std::string_view expected,
                              std::string_view seen) {
  return fail(ErrorCode::kInvalidInput,
              "{}: {} is {}; expected {}, as in Qwen2 and Qwen2.5. Other tokenizers would be "
              "encoded wrongly",
              file, key, seen, expected);
}

Result<AddedToken> parse_added_token(const Json& json, int64_t id, std::string_view file) {
  const Json& content = member(json, "content");
  if (!content.is_string()) return fail(ErrorCode::kInvalidInput, "{}: added token {}: no content", file, id);
  if (id < 0 || id > BpeModel::kMaxId) {
    return fail(ErrorCode::kInvalidInput, "{}: added token {}: id {} is out of range", file, brief(content), id);
  }
  for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) {
    if (!is_off(member(json, flag))) {
      return fail(ErrorCode::kInvalidInput, "{}: added token {}: {} is not supported", file, brief(content), flag);
    }
  }
  return AddedToken{.content = content.get<std::string>(),
                    .special = member(json, "special") == true,
                    .id = static_cast<int32_t>(id),
                    .normalized = member(json, "normalized") == true};
}

Result<std::vector<std::string>> parse_vocab(const Json& vocab, std::string_view file) {
  if (!vocab.is_object()) return fail(ErrorCode::kInvalidInput, "{}: expected an object of tokens and ids", file);
  // Vocabularies have few gaps; a single far id must not make the table large.
  const int64_t max_id = std::min<int64_t>(BpeModel::kMaxId, 2 * static_cast<int64_t>(vocab.size()) + kMaxGap);
  std::vector<std::string> pieces;
  for (const auto& [key, value] : vocab.items()) {
    if (!value.is_number_integer() || value < 0 || value > max_id) {
      return fail(ErrorCode::kInvalidInput, "{}: token \"{}\": id {}; expected 0 to {} in a vocabulary of {} tokens",
                  file, key, brief(value), max_id, vocab.size());
    }
    const auto id = value.get<size_t>();
    // Some files list added tokens here too, in plain letters.
    std::string bytes = from_printable(key).value_or(key);
    if (pieces.size() <= id) pieces.resize(id + 1);
    if (!pieces[id].empty() || bytes.empty()) {
      return fail(ErrorCode::kInvalidInput, "{}: token \"{}\": empty, or its id {} is used twice", file, key, id);
    }
    pieces[id] = std::move(bytes);
  }
  return pieces;
}

// Turns pairs of printable tokens into pairs of ids.
class MergeReader {
 public:
  explicit MergeReader(const std::vector<std::string>& pieces) {
    for (size_t id = 0; id < pieces.size(); ++id) ids_.emplace(pieces[id], static_cast<int32_t>(id));
  }
  // `where` is put in front of errors.
  Status add(std::string_view left, std::string_view right, const std::string& where) {
    const int32_t left_id = find(left), right_id = find(right);
    if (left_id < 0 || right_id < 0) {
      return fail(ErrorCode::kInvalidInput, "{}: \"{}\" is not in the vocabulary", where, left_id < 0 ? left : right);
    }
    merges_.emplace_back(left_id, right_id);
    return {};
  }
  Status add(std::string_view line, const std::string& where) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return fail(ErrorCode::kInvalidInput, "{}: expected two tokens with a space between, got \"{}\"", where, line);
    }
    return add(line.substr(0, space), line.substr(space + 1), where);
  }
  std::vector<std::pair<int32_t, int32_t>> take() { return std::move(merges_); }

 private:
  int32_t find(std::string_view printable) const {
    const auto bytes = from_printable(printable);
    const auto found = bytes && !bytes->empty() ? ids_.find(*bytes) : ids_.end();
    return found == ids_.end() ? -1 : found->second;
  }
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<std::pair<int32_t, int32_t>> merges_;
};

Result<BpeModel> parse_model(const Json& json, std::string_view file) {
  const Json& type = member(json, "type");
  if (!json.is_object() || (!type.is_null() && type != "BPE")) return foreign(file, "model.type", "BPE", type_of(json));
  for (const std::string_view key :
       {"byte_fallback", "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix", "dropout"}) {
    if (!is_off(member(json, key))) return foreign(file, fmt::format("model.{}", key), "off", brief(member(json, key)));
  }
  PROSODIA_ASSIGN(std::vector<std::string> pieces,
                  parse_vocab(member(json, "vocab"), fmt::format("{}: model.vocab", file)));
  const Json& merges = member(json, "merges");
  if (!merges.is_array()) return fail(ErrorCode::kInvalidInput, "{}: model.merges: expected a list", file);
  MergeReader reader(pieces);
  for (size_t i = 0; i < merges.size(); ++i) {
    const Json& merge = merges[i];
    const std::string where = fmt::format("{}: model.merges[{}]", file, i);
    if (merge.is_string()) {  // "a b": tokenizers before 0.20
      PROSODIA_TRY(reader.add(merge.get_ref<const std::string&>(), where));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      PROSODIA_TRY(reader.add(merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>(), where));
    } else {
      return fail(ErrorCode::kInvalidInput, "{}: expected \"a b\" or [\"a\", \"b\"]", where);
    }
  }
  auto model = BpeModel::create(std::move(pieces), reader.take());
  if (!model) return wrap(model.error(), file);
  return model;
}

Result<bool> parse_normalizer(const Json& json, std::string_view file) {
  const Json* normalizer = &json;
  const Json& list = member(json, "normalizers");
  if (type_of(json) == "Sequence" && list.is_array() && list.size() == 1) normalizer = &list[0];
  if (normalizer->is_null()) return false;
  if (type_of(*normalizer) == "NFC") return true;
  return foreign(file, "normalizer", "NFC or null", type_of(*normalizer));
}

Status check_pre_tokenizer(const Json& json, std::string_view file) {
  const Json& list = member(json, "pretokenizers");
  if (type_of(json) != "Sequence" || !list.is_array() || list.size() != 2) {
    return foreign(file, "pre_tokenizer", "Sequence of Split and ByteLevel", type_of(json));
  }
  const Json& split = list[0];
  const Json& byte_level = list[1];
  const Json& pattern = member(member(split, "pattern"), "Regex");
  if (type_of(split) != "Split" || pattern != kQwen2SplitPattern || member(split, "behavior") != "Isolated" ||
      !is_off(member(split, "invert"))) {
    return foreign(file, "pre_tokenizer.pretokenizers[0]", "an isolated Split at Qwen2's pattern", brief(split));
  }
  if (type_of(byte_level) != "ByteLevel" || !is_off(member(byte_level, "add_prefix_space")) ||
      member(byte_level, "use_regex") != false) {
    return foreign(file, "pre_tokenizer.pretokenizers[1]", "ByteLevel without prefix space and regex",
                   brief(byte_level));
  }
  return {};
}

}  // namespace

Result<TokenizerParts> parse_tokenizer_json(std::string_view text, std::string_view file) {
  PROSODIA_ASSIGN(const Json json, parse_json_object(text, file));
  TokenizerParts parts;
  PROSODIA_ASSIGN(parts.nfc, parse_normalizer(member(json, "normalizer"), file));
  PROSODIA_TRY(check_pre_tokenizer(member(json, "pre_tokenizer"), file));
  const Json& post = member(json, "post_processor");
  if (!post.is_null() && type_of(post) != "ByteLevel")
    return foreign(file, "post_processor", "ByteLevel", type_of(post));
  if (type_of(member(json, "decoder")) != "ByteLevel") {
    return foreign(file, "decoder", "ByteLevel", type_of(member(json, "decoder")));
  }
  PROSODIA_ASSIGN(parts.model, parse_model(member(json, "model"), file));
  const Json& added = member(json, "added_tokens");
  if (!added.is_null() && !added.is_array())
    return fail(ErrorCode::kInvalidInput, "{}: added_tokens: expected a list", file);
  for (const Json& token : added) {
    const Json& id = member(token, "id");
    PROSODIA_ASSIGN(AddedToken parsed, parse_added_token(token, id.is_number_integer() ? id.get<int64_t>() : -1, file));
    parts.added_tokens.push_back(std::move(parsed));
  }
  return parts;
}

Result<BpeModel> parse_vocab_and_merges(std::string_view vocab_json, std::string_view vocab_file,
                                        std::string_view merges, std::string_view merges_file) {
  PROSODIA_ASSIGN(const Json json, parse_json_object(vocab_json, vocab_file));
  PROSODIA_ASSIGN(std::vector<std::string> pieces, parse_vocab(json, vocab_file));
  MergeReader reader(pieces);
  for (size_t at = 0, line_number = 1; at < merges.size(); ++line_number) {
    const size_t end = std::min(merges.find('\n', at), merges.size());
    std::string_view line = merges.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    PROSODIA_TRY(reader.add(line, fmt::format("{}:{}", merges_file, line_number)));
  }
  auto model = BpeModel::create(std::move(pieces), reader.take());
  if (!model) return wrap(model.error(), merges_file);
  return model;
}

Result<std::vector<AddedToken>> parse_added_tokens_json(std::string_view text, std::string_view file) {
  PROSODIA_ASSIGN(const Json json, parse_json_object(text, file));
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : json.items()) {
    if (!id.is_number_integer() || id < 0 || id > BpeModel::kMaxId) {
      return fail(ErrorCode::kInvalidInput, "{}: \"{}\": expected an id, got {}", file, content, brief(id));
    }
    tokens.push_back({.content = content, .id = id.get<int32_t>()});
  }
  return tokens;
}

Result<std::vector<AddedToken>> parse_config_added_tokens(std::string_view text, std::string_view file) {
  PROSODIA_ASSIGN(const Json json, parse_json_object(text, file));
  std::vector<AddedToken> tokens;
  const Json& decoder = member(json, "added_tokens_decoder");
  if (decoder.is_null()) return tokens;
  if (!decoder.is_object()) return fail(ErrorCode::kInvalidInput, "{}: added_tokens_decoder: expected an object", file);
  for (const auto& [key, value] : decoder.items()) {
    const bool digits =
        !key.empty() && key.size() < 10 && std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    PROSODIA_ASSIGN(AddedToken token, parse_added_token(value, digits ? std::stol(key) : -1, file));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace prosodia
