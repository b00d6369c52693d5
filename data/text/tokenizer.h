// The tokenizer of the Qwen2 family: added tokens, NFC, Qwen2's word split, byte-level BPE. Same ids as Hugging Face's
// `tokenizers` 0.23 for such a tokenizer.json, on every string (unicode_tables.h has the differences of Unicode
// tables).
//
// Called by every command. A tokenizer is an immutable value; const methods are thread-safe.
// Failure: load() gives kInvalidInput with file and key for a missing, malformed or foreign tokenizer (another split
// pattern, normaliser or model type is refused, not approximated); save() gives kStorage. encode and decode cannot
// fail: invalid UTF-8 in text, or an incomplete sequence in ids, reads as U+FFFD.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/base/status.h"
#include "data/text/added_tokens.h"
#include "data/text/bpe.h"

namespace prosodia {

class Tokenizer {
 public:
  // Reads tokenizer.json; without one vocab.json + merges.txt + added_tokens.json. In both cases tokenizer_config.json,
  // where present, adds the tokens of its added_tokens_decoder; it and chat_template.jinja are written back unchanged.
  static Result<Tokenizer> load(const std::filesystem::path& model_dir);

  struct Options {
    bool nfc = true;            // the normaliser
    std::string config_json;    // tokenizer_config.json; empty: save() writes that of Qwen2.5-Omni
    std::string chat_template;  // chat_template.jinja, where transformers 5 keeps it; only handed on by save()
  };
  // Added tokens with id -1 get the ids after the base vocabulary, in order.
  static Result<Tokenizer> create(BpeModel model, std::vector<AddedToken> added_tokens, Options options);

  // allow_special = true: `<|im_end|>` in the text becomes its token. false: special tokens are plain text, as user
  // text must be; added tokens that are not special (<tool_call>) match in both cases, as in transformers.
  std::vector<int32_t> encode(std::string_view text, bool allow_special) const;

  // Ids outside the vocabulary give nothing. skip_special drops added tokens flagged special.
  std::string decode(std::span<const int32_t> token_ids, bool skip_special) const;

  std::optional<int32_t> token_id(std::string_view content) const;  // an added token, else a token with these raw bytes
  std::string_view token_bytes(int32_t id) const;     // raw bytes, or an added token's text; empty when unknown
  int32_t vocab_size() const { return vocab_size_; }  // largest id + 1: ids are 0 … vocab_size() - 1
  bool is_special(int32_t id) const;
  const std::vector<AddedToken>& added_tokens() const { return added_tokens_; }  // ascending ids
  const BpeModel& model() const { return model_; }
  const Options& options() const { return options_; }

  // Writes tokenizer.json, tokenizer_config.json, vocab.json, merges.txt; each file is replaced atomically. `dir` is
  // created. AutoTokenizer of transformers and Tokenizer.from_file of tokenizers load the result.
  Status save(const std::filesystem::path& dir) const;

 private:
  Tokenizer() = default;
  void encode_normalized(std::string_view text, bool allow_special, BpeModel::Scratch& scratch,
                         std::vector<int32_t>& ids) const;
  void encode_words(std::string_view text, BpeModel::Scratch& scratch, std::vector<int32_t>& ids) const;
  const AddedToken* find_added(int32_t id) const;

  struct Matchers {
    AddedTokenMatcher raw, normalized;  // before and after NFC
  };
  BpeModel model_;
  std::vector<AddedToken> added_tokens_;
  std::unordered_map<std::string, int32_t> added_ids_;
  Matchers all_, plain_;  // plain: without the special ones
  int32_t vocab_size_ = 0;
  Options options_;
};

// Decodes ids one by one; text comes out as soon as it is complete UTF-8. The pieces concatenated equal decode() of all
// ids. The tokenizer must outlive it. Single thread.
class StreamingDecoder {
 public:
  StreamingDecoder(const Tokenizer& tokenizer, bool skip_special)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}
  std::string push(int32_t id);
  std::string finish();  // what is held back, as U+FFFD; the decoder can then start anew

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string held_;
};

}  // namespace prosodia
