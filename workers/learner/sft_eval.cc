#include "workers/learner/sft_eval.h"

#include <ATen/ATen.h>

#include <chrono>
#include <numeric>

#include "workers/learner/sft_data.h"

namespace prosodia {

// One number a row of the set and kind; zero for the rows of other ranks, so that an all-reduce gathers them exactly.
struct SftEvalSet::RowSums {
  explicit RowSums(size_t rows) : rows(rows), values(3 * rows) {}
  double& loss(size_t row) { return values[row]; }
  double& tokens(size_t row) { return values[rows + row]; }
  double& correct(size_t row) { return values[2 * rows + row]; }
  double total(size_t kind) const {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(kind * rows);
    return std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(rows), 0.0);
  }
  size_t rows;
  std::vector<double> values;
};

namespace {

// Whether each target is a likeliest token, [R], in blocks of rows: never the logits of all rows at once.
at::Tensor is_likeliest(const Model& model, const at::Tensor& hidden_RC, const at::Tensor& targets_R) {
  constexpr int64_t kBlockLogits = int64_t{1} << 23;
  const int64_t rows = std::max<int64_t>(1, kBlockLogits / model.head_weight().size(0));
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < hidden_RC.size(0); begin += rows) {
    const int64_t end = std::min(begin + rows, hidden_RC.size(0));
    const at::Tensor logits = model.logits(hidden_RC.slice(0, begin, end));
    const at::Tensor chosen = logits.gather(1, targets_R.slice(0, begin, end).unsqueeze(1)).squeeze(1);
    parts.push_back(chosen == std::get<0>(logits.max(1)));
  }
  return at::cat(parts);
}

}  // namespace

Result<std::unique_ptr<SftEvalSet>> SftEvalSet::load(const std::vector<std::filesystem::path>& paths,
                                                     const Processor& processor, int64_t max_length, int64_t max_tokens,
                                                     Collective& collective) {
  std::unique_ptr<SftEvalSet> set(new SftEvalSet(processor, max_length, max_tokens, collective));
  for (const auto& path : paths) {
    PROSODIA_ASSIGN(auto samples, read_conversations(path));
    set->samples_.insert(set->samples_.end(), std::make_move_iterator(samples.begin()),
                         std::make_move_iterator(samples.end()));
  }
  return set;
}

Status SftEvalSet::run_my_rows(const Model& model, AudioCache* cache, const std::function<void()>& alive,
                               RowSums& sums) const {
  std::vector<EncodedPrompt> waiting;
  std::vector<size_t> rows;
  int64_t tokens = 0;
  const auto flush = [&] {
    std::vector<const EncodedPrompt*> pointers;
    for (const EncodedPrompt& one : waiting) pointers.push_back(&one);
    std::vector<int64_t> all(waiting.size());
    std::iota(all.begin(), all.end(), int64_t{0});
    const MicroBatch batch = pack_conversations(pointers, all);
    if (!batch.targets.empty()) {
      const at::Tensor hidden = target_hidden(model, batch, cache);
      const at::Tensor targets = at::tensor(batch.targets, at::kLong).to(model.device());
      const at::Tensor logprobs = model.logprobs(hidden, targets, 1.0, false).logprobs.to(at::kCPU, at::kDouble);
      const at::Tensor right = is_likeliest(model, hidden, targets).to(at::kCPU, at::kDouble);
      const double *p = logprobs.const_data_ptr<double>(), *hit = right.const_data_ptr<double>();
      for (size_t s = 0; s < rows.size(); ++s)
        for (int64_t r = batch.offsets[s]; r < batch.offsets[s + 1]; ++r) {
          sums.loss(rows[s]) -= p[r];
          sums.tokens(rows[s]) += 1;
          sums.correct(rows[s]) += hit[r];
        }
    }
    alive();
    waiting.clear();
    rows.clear();
    tokens = 0;
  };
  const auto step = static_cast<size_t>(collective_.size());
  for (size_t row = static_cast<size_t>(collective_.rank()); row < samples_.size(); row += step) {
    PROSODIA_ASSIGN(EncodedPrompt encoded, encode_conversation(processor_, samples_[row], max_length_));
    const auto length = static_cast<int64_t>(encoded.token_ids.size());
    if (!waiting.empty() && tokens + length > max_tokens_) flush();
    tokens += length;
    waiting.push_back(std::move(encoded));
    rows.push_back(row);
  }
  if (!waiting.empty()) flush();
  return {};
}

Result<SftEvaluation> SftEvalSet::evaluate(const Model& model, AudioCache* cache,
                                           const std::function<void()>& alive) const {
  const at::NoGradGuard no_grad;
  const auto begin = std::chrono::steady_clock::now();
  RowSums sums(samples_.size());
  PROSODIA_TRY(collective_.agree(run_my_rows(model, cache, alive, sums)));
  PROSODIA_TRY(collective_.all_reduce_sum(std::span(sums.values)));
  const double tokens = sums.total(1);
  if (!(tokens > 0))
    return fail(ErrorCode::kInvalidInput, "{}: no row of the evaluation set has an assistant token to predict",
                samples_.front().origin);
  return SftEvaluation{sums.total(0) / tokens, sums.total(2) / tokens, static_cast<int64_t>(tokens),
                       std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
}

}  // namespace prosodia
