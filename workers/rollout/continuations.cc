#include "workers/rollout/continuations.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "data/base/check.h"
#include "workers/model/model.h"
#include "workers/rollout/backend.h"

namespace prosodia {

struct Continuations::Impl {
  Impl(const Model& model_in, const ContinuationOptions& options_in)
      : model(model_in),
        options(options_in),
        vocab(static_cast<size_t>(model.config().text.vocab_size)),
        backend(make_backend(model, {.max_completion_length = static_cast<int>(options.max_appended)},
                             {.max_rows = options.max_rows, .backend = options.backend})) {}

  const Model& model;
  const ContinuationOptions options;
  const size_t vocab;
  std::unique_ptr<DecodeBackend> backend;
  int64_t shared = 0, appended = 0;
  std::vector<int64_t> own;  // tokens of each sequence behind the shared ones
  std::vector<float> logits_KV;
};

int64_t shared_prefix(std::span<const std::vector<int32_t>> sequences) {
  const std::vector<int32_t>& first = sequences.front();
  size_t shared = first.size() - 1;
  for (const std::vector<int32_t>& other : sequences.subspan(1)) {
    const size_t limit = std::min(shared, other.size() - 1);
    const auto end = std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(limit), other.begin());
    shared = static_cast<size_t>(end.first - first.begin());
  }
  return static_cast<int64_t>(shared);
}

Continuations::Continuations(const Model& model, const ContinuationOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Continuations::~Continuations() = default;

void Continuations::start(std::span<const std::vector<int32_t>> sequences, std::vector<const LogMel*> clips,
                          const at::Tensor& audio_embeddings) {
  Impl& self = *impl_;
  PROSODIA_CHECK(!sequences.empty() && sequences.size() <= static_cast<size_t>(self.options.max_rows),
                 "{} sequences, at most {} rows", sequences.size(), self.options.max_rows);
  const int64_t limit = self.model.config().text.max_position_embeddings;
  self.shared = shared_prefix(sequences);
  self.appended = 0;
  self.own.clear();
  self.logits_KV.resize(sequences.size() * self.vocab);
  SharedPrefill item;
  item.prefix_ids = std::span(sequences.front()).first(static_cast<size_t>(self.shared));
  item.clips = std::move(clips);
  item.audio_embeddings = audio_embeddings;
  for (size_t k = 0; k < sequences.size(); ++k) {
    const auto length = static_cast<int64_t>(sequences[k].size());
    PROSODIA_CHECK(length + self.options.max_appended <= limit, "sequence {}: {} + {} tokens, {} positions", k, length,
                   self.options.max_appended, limit);
    self.own.push_back(length - self.shared);
    item.suffixes.push_back({.slot = static_cast<int>(k),
                             .token_ids = std::span(sequences[k]).subspan(static_cast<size_t>(self.shared)),
                             .logits_V = self.logits_KV.data() + k * self.vocab});
  }
  self.backend->prefill_shared(item);
}

void Continuations::append(std::span<const int32_t> tokens_KM) {
  Impl& self = *impl_;
  PROSODIA_CHECK(!self.own.empty() && !tokens_KM.empty() && tokens_KM.size() % self.own.size() == 0,
                 "{} tokens for {} sequences", tokens_KM.size(), self.own.size());
  const auto each = static_cast<int64_t>(tokens_KM.size() / self.own.size());
  self.appended += each;
  PROSODIA_CHECK(self.appended <= self.options.max_appended, "{} tokens appended, at most {}", self.appended,
                 self.options.max_appended);
  std::vector<DecodeRow> rows;
  for (size_t k = 0; k < self.own.size(); ++k) {
    for (int64_t m = 0; m < each; ++m) {
      rows.push_back({.slot = static_cast<int>(k),
                      .prefix = kSharedPrefix,
                      .prompt_length = self.shared,
                      .index = self.own[k]++,
                      .token = tokens_KM[k * static_cast<size_t>(each) + static_cast<size_t>(m)]});
    }
  }
  self.backend->decode(rows, each, self.logits_KV.data());
}

std::span<const float> Continuations::logits(size_t k) const {
  return std::span(impl_->logits_KV).subspan(k * impl_->vocab, impl_->vocab);
}

int64_t Continuations::shared_tokens() const { return impl_->shared; }

}  // namespace prosodia
