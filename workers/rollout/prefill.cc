#include "workers/rollout/prefill.h"

#include <ATen/ATen.h>

#include <cstring>

#include "data/base/check.h"

namespace prosodia {
namespace {

void append(PackedBatch& batch, std::span<const int32_t> token_ids, int64_t prefix = 0) {
  const auto begin = static_cast<int64_t>(batch.token_ids.size());
  for (size_t i = 0; i < token_ids.size(); ++i) {
    batch.token_ids.push_back(token_ids[i]);
    batch.positions.push_back(prefix + static_cast<int64_t>(i));
  }
  batch.segments.push_back(
      {.begin = begin, .end = static_cast<int64_t>(batch.token_ids.size()), .prefix_begin = 0, .prefix_end = prefix});
}

// `logits_V[i]` gets the logits of the last row of segment `segment + i`.
void run(const Model& model, const PackedBatch& batch, size_t segment, std::span<float* const> logits_V,
         const PrefillSink& sink) {
  const auto observer = [&](int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
    for (size_t i = 0; i < batch.segments.size(); ++i) {
      const auto& rows = batch.segments[i];
      const int64_t length = rows.end - rows.begin;
      sink(i, layer, k_TGD.narrow(0, rows.begin, length).contiguous(),
           v_TGD.narrow(0, rows.begin, length).contiguous());
    }
  };
  const at::Tensor hidden = model.hidden(batch, {.kv = observer, .stage = nullptr});
  std::vector<int64_t> last_rows;
  for (size_t i = 0; i < logits_V.size(); ++i) last_rows.push_back(batch.segments[segment + i].end - 1);
  const at::Tensor rows = at::tensor(last_rows, at::kLong).to(hidden.device());
  const at::Tensor logits = model.logits(hidden.index_select(0, rows)).to(at::kCPU, at::kFloat).contiguous();
  const auto vocab = static_cast<size_t>(logits.size(1));
  for (size_t i = 0; i < logits_V.size(); ++i)
    std::memcpy(logits_V[i], logits.data_ptr<float>() + i * vocab, vocab * sizeof(float));
}

void run_batch(const Model& model, std::span<const PrefillItem> items, size_t first, const PrefillSink& sink) {
  PackedBatch batch;
  std::vector<float*> logits;
  for (const PrefillItem& item : items) {
    append(batch, item.prompt->token_ids);
    for (const auto& clip : item.prompt->clips) batch.clips.push_back(clip.get());
    logits.push_back(item.logits_V);
  }
  run(model, batch, 0, logits, [&](size_t item, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
    sink(first + item, layer, k_TGD, v_TGD);
  });
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

void run_prefill_shared(const Model& model, const SharedPrefill& item, const PrefillSink& sink) {
  const at::NoGradGuard no_grad;
  PROSODIA_CHECK(!item.prefix_ids.empty() && !item.suffixes.empty(), "{} prefix tokens, {} suffixes",
                 item.prefix_ids.size(), item.suffixes.size());
  PackedBatch batch;
  std::vector<float*> logits;
  append(batch, item.prefix_ids);
  for (const SharedPrefill::Suffix& suffix : item.suffixes) {
    PROSODIA_CHECK(!suffix.token_ids.empty(), "slot {} has no token of its own", suffix.slot);
    append(batch, suffix.token_ids, static_cast<int64_t>(item.prefix_ids.size()));
    logits.push_back(suffix.logits_V);
  }
  batch.clips = item.clips;
  batch.audio_embeddings = item.audio_embeddings;
  run(model, batch, 1, logits, sink);
}

}  // namespace prosodia
