// Tokenizer::load and Tokenizer::save: which files, and in what order of precedence.
#include <algorithm>

#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "data/text/tokenizer.h"
#include "data/text/tokenizer_json.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChatTemplateFile = "chat_template.jinja";

// The file's contents, or nothing when it is not there.
Result<std::optional<std::string>> read_if_present(const fs::path& path) {
  FileSystem& files = posix_file_system();
  PROSODIA_ASSIGN(const bool present, files.exists(path));
  if (!present) return std::nullopt;
  PROSODIA_ASSIGN(std::string text, files.read_text(path));
  return text;
}

// vocab.json + merges.txt + added_tokens.json, the layout from before tokenizer.json.
Result<TokenizerParts> load_separate_files(const fs::path& dir) {
  const fs::path vocab_path = dir / "vocab.json", merges_path = dir / "merges.txt",
                 added_path = dir / "added_tokens.json";
  PROSODIA_ASSIGN(const auto vocab, read_if_present(vocab_path));
  PROSODIA_ASSIGN(const auto merges, read_if_present(merges_path));
  if (!vocab || !merges) {
    return fail(
        ErrorCode::kInvalidInput,
        "{}: no tokenizer: expected tokenizer.json, or vocab.json and merges.txt; copy them from the model's folder",
        dir.string());
  }
  TokenizerParts parts;
  PROSODIA_ASSIGN(parts.model, parse_vocab_and_merges(*vocab, vocab_path.string(), *merges, merges_path.string()));
  PROSODIA_ASSIGN(const auto added, read_if_present(added_path));
  if (added) {
    PROSODIA_ASSIGN(parts.added_tokens, parse_added_tokens_json(*added, added_path.string()));
  }
  return parts;
}

// Tokens known only to tokenizer_config.json are added. Flags are taken from it when `flags_known` is false.
Status merge_config_tokens(std::vector<AddedToken>& tokens, std::vector<AddedToken> from_config, bool flags_known,
                           const std::string& config_file) {
  for (AddedToken& token : from_config) {
    const auto known = std::ranges::find(tokens, token.content, &AddedToken::content);
    if (known == tokens.end()) {
      tokens.push_back(std::move(token));
    } else if (known->id != token.id) {
      return fail(ErrorCode::kInvalidInput, "{}: \"{}\" has id {} here and {} in the tokenizer's own file", config_file,
                  token.content, token.id, known->id);
    } else if (!flags_known) {
      *known = std::move(token);
    }
  }
  return {};
}

}  // namespace

Result<Tokenizer> Tokenizer::load(const fs::path& model_dir) {
  const fs::path json_path = model_dir / "tokenizer.json", config_path = model_dir / "tokenizer_config.json";
  PROSODIA_ASSIGN(const auto json, read_if_present(json_path));
  auto parts = json ? parse_tokenizer_json(*json, json_path.string()) : load_separate_files(model_dir);
  if (!parts) return tl::unexpected(parts.error());

  PROSODIA_ASSIGN(const auto config, read_if_present(config_path));
  if (config) {
    PROSODIA_ASSIGN(auto from_config, parse_config_added_tokens(*config, config_path.string()));
    PROSODIA_TRY(
        merge_config_tokens(parts->added_tokens, std::move(from_config), json.has_value(), config_path.string()));
  }
  PROSODIA_ASSIGN(const auto chat_template, read_if_present(model_dir / kChatTemplateFile));
  auto tokenizer =
      create(std::move(parts->model), std::move(parts->added_tokens),
             {.nfc = parts->nfc, .config_json = config.value_or(""), .chat_template = chat_template.value_or("")});
  if (!tokenizer) return wrap(tokenizer.error(), model_dir.string());
  return tokenizer;
}

Status Tokenizer::save(const fs::path& dir) const {
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(dir));
  const auto write = [&](const char* name, const std::string& text) {
    return write_file_atomic(files, dir / name, std::string_view(text));
  };
  PROSODIA_TRY(write("vocab.json", write_vocab_json(model_)));
  PROSODIA_TRY(write("merges.txt", write_merges_txt(model_)));
  PROSODIA_TRY(write("tokenizer_config.json",
                     options_.config_json.empty() ? write_tokenizer_config_json(added_tokens_) : options_.config_json));
  if (!options_.chat_template.empty()) PROSODIA_TRY(write(kChatTemplateFile, options_.chat_template));
  return write("tokenizer.json", write_tokenizer_json(model_, added_tokens_, options_.nfc));
}

}  // namespace prosodia
