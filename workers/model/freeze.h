// The words of --freeze: which parameters of a model stay as they are. Pure; no torch: the command line reads this.
//
//   word   := part | range
//   part   := audio_tower   the audio encoder without its projector (conv1, conv2 and all its layers)
//           | projector     audio_tower.ln_post and audio_tower.proj
//           | decoder       every decoder layer and the final norm
//           | embeddings    model.embed_tokens (and with it a tied head)
//           | lm_head       the output matrix, when the model has one of its own
//           | norm          the final norm alone
//   range  := layers.N | layers.N-M | audio_tower.layers.N | audio_tower.layers.N-M     (both ends count, from 0)
//   list   := word {"," word}
// Adapter tensors belong to the layer they sit on.
//
// Callers: CLI, learner, rollout worker (weights that do not change do not travel). Value type. Failure: kUsage naming
// the word and the known ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

class FreezeSpec {
 public:
  FreezeSpec() = default;  // freezes nothing
  static Result<FreezeSpec> parse(std::string_view comma_separated);

  // By Hugging Face name without `thinker.`: "model.layers.0.mlp.up_proj.weight".
  bool freezes(std::string_view parameter_name) const;
  // Every word must name something of this model: kUsage otherwise (layers out of range, a tied lm_head, …).
  Status check(const std::vector<std::string>& parameter_names) const;
  const std::vector<std::string>& words() const { return words_; }
  bool empty() const { return words_.empty(); }

 private:
  std::vector<std::string> words_;
};

// Whether one word of the grammar covers a parameter. The word must have been parsed.
bool covers(std::string_view word, std::string_view parameter_name);

}  // namespace prosodia
