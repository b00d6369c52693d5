// tokenizer.json, vocab.json, merges.txt and tokenizer_config.json: parsing and writing of their contents.
//
// Called by Tokenizer::load and ::save. Pure: text in, values out. Failure: kInvalidInput with file and key; `file`
// names the text in messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/text/added_tokens.h"
#include "data/text/bpe.h"

namespace prosodia {

struct TokenizerParts {
  BpeModel model;
  std::vector<AddedToken> added_tokens;
  bool nfc = true;
};

// Everything that would change ids is checked: a tokenizer with another pipeline is refused.
Result<TokenizerParts> parse_tokenizer_json(std::string_view text, std::string_view file);

Result<BpeModel> parse_vocab_and_merges(std::string_view vocab_json, std::string_view vocab_file,
                                        std::string_view merges, std::string_view merges_file);

// {"<|im_end|>": 151645, …}: no flags; every token counts as special until tokenizer_config.json says otherwise.
Result<std::vector<AddedToken>> parse_added_tokens_json(std::string_view text, std::string_view file);

// The added_tokens_decoder of tokenizer_config.json; empty without one.
Result<std::vector<AddedToken>> parse_config_added_tokens(std::string_view text, std::string_view file);

std::string write_vocab_json(const BpeModel& model);
std::string write_merges_txt(const BpeModel& model);
std::string write_tokenizer_json(const BpeModel& model, const std::vector<AddedToken>& added_tokens, bool nfc);
// As Qwen2.5-Omni's, with the chat template of chat.h for use in Python.
std::string write_tokenizer_config_json(const std::vector<AddedToken>& added_tokens);

}  // namespace prosodia
