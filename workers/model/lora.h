// Options of a low-rank adapter (LoRA, Hu et al. 2021), with the meaning that the peft package gives them:
//   y = W x + b + scaling B (A x),   scaling = lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora.
// A fresh adapter starts as peft's: A uniform in ±1/sqrt(inputs) (Kaiming, a = sqrt(5)), B zero; A's numbers are a
// function of (seed, module).
//
// Read by the CLI (no torch here), Model::add_adapter and the adapter files. Value types. Failure: kUsage naming the
// option.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct LoraOptions {
  int64_t r = 16;           // rank, [1, 4096]
  double lora_alpha = 32;   // > 0
  bool use_rslora = false;  // rank-stabilised scaling
  // "all-linear" = the decoder's q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; or some of those names;
  // "audio_tower.all-linear", "audio_tower.NAME" with q_proj, k_proj, v_proj, out_proj, fc1, fc2 or proj.
  std::vector<std::string> target_modules = {"all-linear"};
  // Parts that train whole beside the adapter and are stored with it: projector, embeddings, lm_head.
  std::vector<std::string> modules_to_save;
  uint64_t seed = 0;  // of A

  double scaling() const;
};

Status validate(const LoraOptions& options);

// Whether the options put an adapter on a module, by Hugging Face name without `thinker.`:
// "model.layers.0.self_attn.q_proj", "audio_tower.layers.1.fc2", "audio_tower.proj".
bool targets(const LoraOptions& options, std::string_view module_name);

// peft's spelling of the same choice: bare names for a plain text model, otherwise a regular expression over whole
// module names, because bare names would match the vision tower too. `prefix` is "thinker." or "".
struct PeftTargets {
  std::vector<std::string> names;  // used when `pattern` is empty
  std::string pattern;
};
PeftTargets peft_targets(const LoraOptions& options, bool is_text_model, std::string_view prefix);
// The modules of one word of modules_to_save: "projector" -> audio_tower.ln_post, audio_tower.proj.
std::vector<std::string> modules_of_part(std::string_view part);

}  // namespace prosodia
