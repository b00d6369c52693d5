// Tokenizer files. The first byte chooses which: tokenizer.json, or vocab.json and merges.txt with a NUL between, or
// added_tokens.json or tokenizer_config.json.
#include "data/text/tokenizer.h"
#include "data/text/tokenizer_json.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

// What loads must also encode, decode and be written.
void use(BpeModel model, std::vector<AddedToken> added_tokens, bool nfc) {
  const auto tokenizer = Tokenizer::create(std::move(model), std::move(added_tokens), {.nfc = nfc});
  if (!tokenizer) return;
  for (const std::string_view text : {"pitch <|im_end|> e\u0301\n", "\xF0\x9F\x98 \xFF"}) {
    const auto ids = tokenizer->encode(text, true);
    for (const int32_t id : ids) PROSODIA_CHECK(id >= 0 && id < tokenizer->vocab_size(), "id {}", id);
    (void)tokenizer->decode(ids, false);
  }
  const std::string saved = write_tokenizer_json(tokenizer->model(), tokenizer->added_tokens(), nfc);
  const auto again = parse_tokenizer_json(saved, "saved tokenizer.json");
  PROSODIA_CHECK(again.has_value(), "a saved tokenizer does not load: {}", again.error().message);
  PROSODIA_CHECK(again->model.merges() == tokenizer->model().merges());
}

}  // namespace

void fuzz_tokenizer(Input input) {
  if (input.empty()) return;
  const std::string_view text = as_text(input.subspan(1));
  switch (std::to_integer<int>(input[0]) % 4) {
    case 0:
      if (auto parts = parse_tokenizer_json(text, "tokenizer.json"))
        use(std::move(parts->model), std::move(parts->added_tokens), parts->nfc);
      break;
    case 1: {
      const size_t cut = std::min(text.find('\0'), text.size());
      const auto merges = text.substr(std::min(cut + 1, text.size()));
      if (auto model = parse_vocab_and_merges(text.substr(0, cut), "vocab.json", merges, "merges.txt"))
        use(std::move(*model), omni_added_tokens(), true);
      break;
    }
    case 2:
      (void)parse_added_tokens_json(text, "added_tokens.json");
      break;
    default:
      (void)parse_config_added_tokens(text, "tokenizer_config.json");
  }
}

}  // namespace prosodia::fuzz
