// Runs the prompts of new groups through Model::hidden, several in one packed batch; or one prompt with its known
// continuations. Shared by the backends.
#pragma once

#include <functional>
#include <span>

#include "workers/model/model.h"
#include "workers/rollout/backend.h"

namespace prosodia {

// keys and values of item `item` in layer `layer`: [prompt length, kv heads, head_dim], contiguous rows.
using PrefillSink = std::function<void(size_t item, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD)>;

// Splits `items` into batches of at most `max_tokens` (at least one item each) and fills every item's logits.
void run_prefill(const Model& model, std::span<const PrefillItem> items, int64_t max_tokens, const PrefillSink& sink);

// One packed batch. `sink` gets the prefix as item 0 and suffix i as item i + 1.
void run_prefill_shared(const Model& model, const SharedPrefill& item, const PrefillSink& sink);

}  // namespace prosodia
