// prosodia init: a tokenizer trained on the given sets and a fresh, tiny Qwen2.5-Omni Thinker around it.
#include <fmt/core.h>

#include <cmath>

#include "data/corpus/dataset.h"
#include "data/text/added_tokens.h"
#include "data/text/bpe_trainer.h"
#include "orchestrator/cli/commands/command.h"
#include "workers/model/create.h"
#include "workers/model/model.h"

namespace prosodia::cli {

Result<int> run_init(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string model_dir, options.required("model"));
  PROSODIA_ASSIGN(const std::string datasets, options.required("dataset"));
  std::vector<std::string> texts;
  for (const std::string& path : options.list("dataset")) {
    PROSODIA_ASSIGN(const auto samples, read_dataset(path));
    auto more = dataset_texts(samples);
    texts.insert(texts.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  PROSODIA_ASSIGN(const Tokenizer tokenizer,
                  train_bpe(texts, static_cast<int>(options.integer("vocab_size")), omni_added_tokens()));

  CreateOptions create;
  create.audio_d_model = options.integer("audio_d_model");
  create.audio_layers = options.integer("audio_layers");
  create.audio_heads = options.integer("audio_heads");
  create.text_hidden = options.integer("hidden_size");
  create.text_layers = options.integer("num_hidden_layers");
  create.text_heads = options.integer("num_attention_heads");
  create.text_kv_heads = options.integer("num_key_value_heads");
  create.text_intermediate = options.integer("intermediate_size");
  create.seed = static_cast<uint64_t>(options.integer("seed"));
  PROSODIA_TRY(create_model_dir(create, tokenizer, model_dir));

  PROSODIA_ASSIGN(const auto model, Model::load(model_dir));
  int64_t count = 0;
  for (const NamedParameter& parameter : model->parameters()) count += parameter.tensor.numel();
  fmt::print("wrote {}: {:.2f} M parameters, vocabulary {}. Next: prosodia sft --model {} …\n", model_dir, count / 1e6,
             tokenizer.vocab_size(), model_dir);
  return 0;
}

}  // namespace prosodia::cli
