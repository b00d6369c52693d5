#include "workers/rollout/prefill.h"

#include <ATen/ATen.h>

#include <cstring>

namespace prosodia {
namespace {

void append(PackedBatch& batch, const EncodedPrompt& prompt) {
  const auto begin = static_cast<int64_t>(batch.token_ids.size());
  for (size_t i = 0; i < prompt.token_ids.size(); ++i) {
    batch.token_ids.push_back(prompt.token_ids[i]);
    batch.positions.push_back(static_cast<int64_t>(i));
  }
  batch.segments.push_back({.begin = begin, .end = static_cast<int64_t>(batch.token_ids.size())});
  for (const auto& clip : prompt.clips) batch.clips.push_back(clip.get());
}

void run_batch(const Model& model, std::span<const PrefillItem> items, size_t first, const PrefillSink& sink) {
  PackedBatch batch;
  std::vector<int64_t> last_rows;
  for (const PrefillItem& item : items) {
    append(batch, *item.prompt);
    last_rows.push_back(static_cast<int64_t>(batch.token_ids.size()) - 1);
  }
  const auto observer = [&](int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
    for (size_t i = 0; i < items.size(); ++i) {
      const auto& segment = batch.segments[i];
      const int64_t length = segment.end - segment.begin;
      sink(first + i, layer, k_TGD.narrow(0, segment.begin, length).contiguous(),
           v_TGD.narrow(0, segment.begin, length).contiguous());
    }
  };
  const at::Tensor hidden = model.hidden(batch, {.kv = observer, .stage = nullptr});
  const at::Tensor rows = at::tensor(last_rows, at::kLong).to(hidden.device());
  const at::Tensor logits = model.logits(hidden.index_select(0, rows)).to(at::kCPU, at::kFloat).contiguous();
  const auto vocab = static_cast<size_t>(logits.size(1));
  for (size_t i = 0; i < items.size(); ++i) {
    std::memcpy(items[i].logits_V, logits.data_ptr<float>() + i * vocab, vocab * sizeof(float));
  }
}

}  // namespace

void run_prefill(const Model& model, std::span<const PrefillItem> items, int64_t max_tokens, const PrefillSink& sink) {
  const at::NoGradGuard no_grad;
  for (size_t first = 0; first < items.size();) {
    size_t end = first;
    int64_t tokens = 0;
    do {
      tokens += static_cast<int64_t>(items[end++].prompt->token_ids.size());
    } while (end < items.size() && tokens + static_cast<int64_t>(items[end].prompt->token_ids.size()) <= max_tokens);
    run_batch(model, items.subspan(first, end - first), first, sink);
    first = end;
  }
}

}  // namespace prosodia
