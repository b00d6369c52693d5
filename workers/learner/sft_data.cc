#include "workers/learner/sft_data.h"

#include <algorithm>
#include <numeric>

namespace prosodia {

Result<std::vector<Sample>> read_conversations(const std::filesystem::path& path) {
  PROSODIA_ASSIGN(auto samples, read_dataset(path));
  for (const Sample& sample : samples)
    if (!sample.ends_with_assistant())
      return fail(ErrorCode::kInvalidInput,
                  "{}: the last message is not from the assistant, so there is nothing to learn. Next: add the answer, "
                  "or use the file with `train`",
                  sample.origin);
  return samples;
}

Result<EncodedPrompt> encode_conversation(const Processor& processor, const Sample& sample, int64_t max_length) {
  auto encoded = processor.encode(sample, /*generation_prompt=*/false);
  if (!encoded) return tl::unexpected(encoded.error());
  if (static_cast<int64_t>(encoded->token_ids.size()) > max_length)
    return fail(ErrorCode::kInvalidInput,
                "{}: {} tokens, but at most {} fit. Next: shorten the row or raise max_length", sample.origin,
                encoded->token_ids.size(), max_length);
  return encoded;
}

Result<std::unique_ptr<SftData>> SftData::load(const SftStage& stage, uint64_t seed, const Processor& processor,
                                               AudioStore& audio, int64_t max_length, int rank, int num_ranks) {
  std::unique_ptr<SftData> data(new SftData(stage, processor, audio));
  data->max_length_ = max_length;
  data->rank_ = rank;
  data->num_ranks_ = num_ranks;
  data->global_batch_ = stage.per_device_train_batch_size * stage.gradient_accumulation_steps * num_ranks;
  std::vector<double> weights;
  const bool any_weight = std::any_of(stage.datasets.begin(), stage.datasets.end(),
                                      [](const SftDataset& d) { return d.weight.has_value(); });
  for (const SftDataset& dataset : stage.datasets) {
    PROSODIA_ASSIGN(auto samples, read_conversations(dataset.path));
    if (any_weight && !(dataset.weight.value_or(0) > 0))
      return fail(ErrorCode::kUsage, "{}: weights are given for some datasets, but not a positive one for this",
                  dataset.path.string());
    weights.push_back(any_weight ? *dataset.weight : static_cast<double>(samples.size()));
    data->datasets_.push_back(std::move(samples));
  }
  data->order_ = std::make_unique<MixtureOrder>(data->sizes(), weights, seed);
  return data;
}

std::vector<int64_t> SftData::sizes() const {
  std::vector<int64_t> sizes;
  for (const auto& samples : datasets_) sizes.push_back(static_cast<int64_t>(samples.size()));
  return sizes;
}

int64_t SftData::num_rows() const {
  const auto all = sizes();
  return std::accumulate(all.begin(), all.end(), int64_t{0});
}

// Only for dealing rows out to ranks: every rank must come to the same number without encoding all rows.
Result<int64_t> SftData::estimated_tokens(const Sample& sample) {
  int64_t tokens = 0;
  for (const Message& message : sample.messages) tokens += 4 + static_cast<int64_t>(message.content.size()) / 4;
  for (const std::string& ref : sample.audios) {
    PROSODIA_ASSIGN(const auto clip, audio_.load(ref));
    tokens += 25 * static_cast<int64_t>(clip->samples.size()) / clip->sample_rate_hz;
  }
  return tokens;
}

Result<EncodedPrompt> SftData::encode(const MixtureOrder::Draw& draw) {
  const Sample& sample = datasets_[static_cast<size_t>(draw.dataset)][static_cast<size_t>(draw.row)];
  PROSODIA_ASSIGN(EncodedPrompt encoded, encode_conversation(processor_, sample, max_length_));
  if (stage_.select_targets) PROSODIA_TRY(stage_.select_targets(sample, encoded));
  return encoded;
}

Result<SftStepData> SftData::next() {
  std::vector<MixtureOrder::Draw> draws;
  for (int64_t i = 0; i < global_batch_; ++i) draws.push_back(order_->next());
  std::vector<int64_t> mine(draws.size());
  std::iota(mine.begin(), mine.end(), int64_t{0});
  const PackOptions pack_options{stage_.max_tokens_per_micro_batch, num_ranks_, 1.1};
  if (num_ranks_ > 1) {
    std::vector<int64_t> estimates;
    for (const auto& draw : draws) {
      PROSODIA_ASSIGN(const int64_t tokens,
                      estimated_tokens(datasets_[static_cast<size_t>(draw.dataset)][static_cast<size_t>(draw.row)]));
      estimates.push_back(tokens);
    }
    mine.clear();
    const auto plan = plan_conversations(estimates, pack_options);
    for (const auto& batch : plan[static_cast<size_t>(rank_)]) mine.insert(mine.end(), batch.begin(), batch.end());
    std::sort(mine.begin(), mine.end());
  }
  std::vector<EncodedPrompt> encoded;
  std::vector<int64_t> lengths;
  for (const int64_t index : mine) {
    PROSODIA_ASSIGN(EncodedPrompt one, encode(draws[static_cast<size_t>(index)]));
    lengths.push_back(static_cast<int64_t>(one.token_ids.size()));
    encoded.push_back(std::move(one));
  }
  std::vector<const EncodedPrompt*> pointers;
  for (const auto& one : encoded) pointers.push_back(&one);
  SftStepData step;
  const auto plan = plan_conversations(lengths, {stage_.max_tokens_per_micro_batch, 1, 1.1});
  for (const auto& batch : plan[0]) {
    MicroBatch packed = pack_conversations(pointers, batch);
    if (packed.targets.empty()) continue;
    step.kept_tokens += static_cast<int64_t>(packed.targets.size());
    step.input_tokens += packed.num_tokens();
    step.micro_batches.push_back(std::move(packed));
  }
  return step;
}

}  // namespace prosodia
