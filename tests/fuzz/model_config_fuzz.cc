// config.json: what is accepted must be safe to build tensors from, and must survive a save. And a reward model's card.
#include "data/corpus/rm_card.h"
#include "tests/fuzz/support.h"
#include "workers/model/config.h"

namespace prosodia::fuzz {

void fuzz_model_config(Input input) {
  if (const auto card = parse_rm_card(as_text(input), kRmCardFile))
    PROSODIA_CHECK(parse_rm_card(rm_card_json(*card), "again") == *card);
  const auto config = ModelConfig::parse_text(as_text(input), "config.json");
  if (!config) return;
  const TextConfig& text = config->text;
  PROSODIA_CHECK(text.num_attention_heads % text.num_key_value_heads == 0 && text.head_dim % 2 == 0);
  // Sizes that a loader multiplies: no product of two may overflow or make it allocate for a folder that has no such
  // tensor.
  PROSODIA_CHECK(text.hidden_size <= 1 << 20 && text.vocab_size <= 1 << 24 && text.num_hidden_layers <= 4096);
  if (config->audio) PROSODIA_CHECK(config->audio->head_dim() > 0 && config->audio->encoder_layers <= 4096);
  const std::string saved = config->to_json().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto again = ModelConfig::parse_text(saved, "saved config.json");
  PROSODIA_CHECK(again.has_value(), "a saved configuration does not load: {}", again.error().message);
  PROSODIA_CHECK(again->text.hidden_size == text.hidden_size && again->layout == config->layout);
}

}  // namespace prosodia::fuzz
