#include "data/text/tokenizer.h"

#include <algorithm>

#include "data/text/unicode.h"
#include "data/text/word_split.h"

namespace prosodia {
namespace {

AddedTokenMatcher matcher_of(const std::vector<AddedToken>& tokens, bool with_special, bool normalized) {
  std::vector<AddedToken> chosen;
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized || (token.special && !with_special)) continue;
    chosen.push_back(token);
    if (normalized) chosen.back().content = nfc(token.content);
  }
  return AddedTokenMatcher(chosen);
}

Status check_added_tokens(const std::vector<AddedToken>& tokens, const BpeModel& model) {
  std::unordered_map<int32_t, std::string_view> names;
  for (const AddedToken& token : tokens) {
    if (token.content.empty() || !is_valid_utf8(token.content)) {
      return fail(ErrorCode::kInvalidInput, "added token {} is empty or not UTF-8", token.id);
    }
    if (token.id < 0 || token.id > BpeModel::kMaxId) {
      return fail(ErrorCode::kInvalidInput, "added token \"{}\" has id {}; expected 0 to {}", token.content, token.id,
                  BpeModel::kMaxId);
    }
    if (const auto [other, fresh] = names.emplace(token.id, token.content); !fresh) {
      return fail(ErrorCode::kInvalidInput, "added tokens \"{}\" and \"{}\" share id {}", other->second, token.content,
                  token.id);
    }
    const bool in_vocabulary = token.id < std::ssize(model.pieces()) && !model.pieces()[token.id].empty();
    if (in_vocabulary && model.pieces()[token.id] != token.content) {
      return fail(ErrorCode::kInvalidInput, "added token \"{}\" has the id {} of a vocabulary entry", token.content,
                  token.id);
    }
  }
  return {};
}

}  // namespace

Result<Tokenizer> Tokenizer::create(BpeModel model, std::vector<AddedToken> added_tokens, Options options) {
  Tokenizer tokenizer;
  auto next_id = static_cast<int32_t>(model.pieces().size());
  for (AddedToken& token : added_tokens) {
    if (token.id < 0) token.id = next_id;
    next_id = std::max(next_id, token.id + 1);
    if (!tokenizer.added_ids_.emplace(token.content, token.id).second) {
      return fail(ErrorCode::kInvalidInput, "added token \"{}\" is listed twice", token.content);
    }
  }
  PROSODIA_TRY(check_added_tokens(added_tokens, model));
  std::ranges::sort(added_tokens, {}, &AddedToken::id);
  for (const bool with_special : {true, false}) {
    (with_special ? tokenizer.all_ : tokenizer.plain_) = {matcher_of(added_tokens, with_special, false),
                                                          matcher_of(added_tokens, with_special, true)};
  }
  tokenizer.model_ = std::move(model);
  tokenizer.added_tokens_ = std::move(added_tokens);
  tokenizer.vocab_size_ = next_id;
  tokenizer.options_ = std::move(options);
  return tokenizer;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool allow_special) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    append_utf8_lossy(text, repaired);
    text = repaired;
  }
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 1);
  BpeModel::Scratch scratch;
  const Matchers& matchers = allow_special ? all_ : plain_;
  for (size_t at = 0; at < text.size();) {
    const AddedTokenMatcher::Match match = matchers.raw.find(text, at);
    const std::string_view segment = text.substr(at, match.begin - at);
    if (!segment.empty())
      encode_normalized(options_.nfc ? nfc(segment) : std::string(segment), allow_special, scratch, ids);
    if (match.id >= 0) ids.push_back(match.id);
    at = match.end;
  }
  return ids;
}

void Tokenizer::encode_normalized(std::string_view text, bool allow_special, BpeModel::Scratch& scratch,
                                  std::vector<int32_t>& ids) const {
  const Matchers& matchers = allow_special ? all_ : plain_;
  for (size_t at = 0; at < text.size();) {
    const AddedTokenMatcher::Match match = matchers.normalized.find(text, at);
    encode_words(text.substr(at, match.begin - at), scratch, ids);
    if (match.id >= 0) ids.push_back(match.id);
    at = match.end;
  }
}

void Tokenizer::encode_words(std::string_view text, BpeModel::Scratch& scratch, std::vector<int32_t>& ids) const {
  for (size_t at = 0; at < text.size();) {
    const size_t end = word_end(text, at);
    model_.encode_word(text.substr(at, end - at), scratch, ids);
    at = end;
  }
}

std::string Tokenizer::decode(std::span<const int32_t> token_ids, bool skip_special) const {
  std::string bytes, text;
  for (const int32_t id : token_ids) {
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  }
  append_utf8_lossy(bytes, text);
  return text;
}

const AddedToken* Tokenizer::find_added(int32_t id) const {
  const auto found = std::ranges::lower_bound(added_tokens_, id, {}, &AddedToken::id);
  return found != added_tokens_.end() && found->id == id ? &*found : nullptr;
}

std::optional<int32_t> Tokenizer::token_id(std::string_view content) const {
  if (const auto found = added_ids_.find(std::string(content)); found != added_ids_.end()) return found->second;
  return model_.id_of(content);
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (const AddedToken* added = find_added(id)) return added->content;
  return id >= 0 && id < std::ssize(model_.pieces()) ? std::string_view(model_.pieces()[id]) : std::string_view();
}

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* added = find_added(id);
  return added != nullptr && added->special;
}

std::string StreamingDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  held_ += tokenizer_.token_bytes(id);
  const size_t complete = held_.size() - incomplete_utf8_tail(held_);
  std::string text;
  append_utf8_lossy(std::string_view(held_).substr(0, complete), text);
  held_.erase(0, complete);
  return text;
}

std::string StreamingDecoder::finish() {
  std::string text;
  append_utf8_lossy(held_, text);
  held_.clear();
  return text;
}

}  // namespace prosodia
