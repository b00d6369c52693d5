#include "workers/learner/grpo_loss.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "data/base/check.h"

namespace prosodia {
namespace {

constexpr double kMaxLogRatio = 20.0;

at::Tensor to_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong));
}

// [R] the sequence of each row.
at::Tensor sequence_of_row(std::span<const int64_t> offsets) {
  std::vector<int64_t> sequence(static_cast<size_t>(offsets.back()));
  for (size_t s = 0; s + 1 < offsets.size(); ++s)
    std::fill(sequence.begin() + offsets[s], sequence.begin() + offsets[s + 1], static_cast<int64_t>(s));
  return to_tensor(sequence);
}

// [R] what each row's loss is multiplied by, so that the loss is a plain sum.
at::Tensor row_weights(const GrpoLossOptions& options, std::span<const int64_t> offsets, const BatchCounts& counts) {
  std::vector<float> weights(static_cast<size_t>(offsets.back()));
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    const double tokens = static_cast<double>(offsets[s + 1] - offsets[s]);
    double denominator = 0;
    switch (options.loss_type) {
      case LossType::kGrpo:
        denominator = static_cast<double>(counts.sequences) * tokens;
        break;
      case LossType::kDapo:
      case LossType::kBnpo:
        denominator = static_cast<double>(counts.tokens);
        break;
      case LossType::kDrGrpo:
        denominator = static_cast<double>(counts.sequences) * static_cast<double>(options.max_completion_length);
        break;
    }
    std::fill(weights.begin() + offsets[s], weights.begin() + offsets[s + 1], static_cast<float>(1.0 / denominator));
  }
  return at::tensor(weights, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor row_advantages(const GrpoLossInput& input, const at::Tensor& sequence_R) {
  std::vector<float> values(input.advantages.begin(), input.advantages.end());
  return at::tensor(values, at::TensorOptions().dtype(at::kFloat)).index_select(0, sequence_R);
}

// exp of the log ratio, or of its mean over the row's sequence. The mean is summed in row order: deterministic.
at::Tensor importance_ratio(ImportanceSamplingLevel level, const at::Tensor& log_ratio_R, const at::Tensor& sequence_R,
                            std::span<const int64_t> offsets) {
  if (level == ImportanceSamplingLevel::kToken) return log_ratio_R.clamp(-kMaxLogRatio, kMaxLogRatio).exp();
  const int64_t num_sequences = static_cast<int64_t>(offsets.size()) - 1;
  std::vector<float> lengths;
  for (size_t s = 0; s + 1 < offsets.size(); ++s)
    lengths.push_back(static_cast<float>(std::max<int64_t>(1, offsets[s + 1] - offsets[s])));
  const at::Tensor lengths_S = at::tensor(lengths, log_ratio_R.options().requires_grad(false));
  const at::Tensor mean_S = at::zeros({num_sequences}, log_ratio_R.options().requires_grad(false))
                                .index_add(0, sequence_R, log_ratio_R)
                                .div(lengths_S);
  return mean_S.clamp(-kMaxLogRatio, kMaxLogRatio).exp().index_select(0, sequence_R);
}

// Sums of each column over every sequence's rows, in double and in row order.
std::vector<SequenceStats> sequence_stats(std::span<const int64_t> offsets, const at::Tensor& loss_R,
                                          const at::Tensor& kl_R, const at::Tensor& low_R, const at::Tensor& high_R,
                                          const at::Tensor& ratio_R) {
  const at::Tensor table_FR =
      at::stack({loss_R.detach(), kl_R, low_R.to(at::kFloat), high_R.to(at::kFloat), ratio_R.detach()}).contiguous();
  const auto table = table_FR.cpu();
  const auto rows = table.size(1);
  const float* data = table.const_data_ptr<float>();
  const auto sum = [&](int64_t column, int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t r = begin; r < end; ++r) total += data[column * rows + r];
    return total;
  };
  std::vector<SequenceStats> stats(offsets.size() - 1);
  for (size_t s = 0; s < stats.size(); ++s) {
    const int64_t begin = offsets[s], end = offsets[s + 1];
    if (begin == end) continue;
    const auto [least, most] = std::minmax_element(data + 4 * rows + begin, data + 4 * rows + end);
    stats[s] = {static_cast<double>(end - begin),
                sum(0, begin, end),
                sum(1, begin, end),
                sum(2, begin, end),
                sum(3, begin, end),
                sum(4, begin, end),
                *least,
                *most};
  }
  return stats;
}

}  // namespace

std::string_view name(LossType type) {
  switch (type) {
    case LossType::kGrpo:
      return "grpo";
    case LossType::kDapo:
      return "dapo";
    case LossType::kBnpo:
      return "bnpo";
    case LossType::kDrGrpo:
      return "dr_grpo";
  }
  return "?";
}

Result<LossType> parse_loss_type(std::string_view text) {
  for (const auto type : {LossType::kGrpo, LossType::kDapo, LossType::kBnpo, LossType::kDrGrpo})
    if (text == name(type)) return type;
  return fail(ErrorCode::kUsage, "loss_type '{}': expected grpo, dapo, bnpo or dr_grpo", text);
}

std::string_view name(ImportanceSamplingLevel level) {
  return level == ImportanceSamplingLevel::kToken ? "token" : "sequence";
}

Result<ImportanceSamplingLevel> parse_importance_sampling_level(std::string_view text) {
  if (text == "token") return ImportanceSamplingLevel::kToken;
  if (text == "sequence") return ImportanceSamplingLevel::kSequence;
  return fail(ErrorCode::kUsage, "importance_sampling_level '{}': expected token or sequence", text);
}

Status validate(const GrpoLossOptions& options) {
  if (!(options.epsilon > 0 && options.epsilon < 1))
    return fail(ErrorCode::kUsage, "epsilon {}: expected a number between 0 and 1", options.epsilon);
  if (options.epsilon_high && !(*options.epsilon_high > 0))
    return fail(ErrorCode::kUsage, "epsilon_high {}: expected a number above 0", *options.epsilon_high);
  const double high = options.epsilon_high.value_or(options.epsilon);
  if (options.delta && !(*options.delta > 1 + high))
    return fail(ErrorCode::kUsage, "delta {}: expected a number above 1 + epsilon_high = {}", *options.delta, 1 + high);
  if (!(options.beta >= 0)) return fail(ErrorCode::kUsage, "beta {}: expected a number of at least 0", options.beta);
  if (options.max_completion_length <= 0)
    return fail(ErrorCode::kUsage, "max_completion_length {}: expected at least 1", options.max_completion_length);
  return {};
}

GrpoLossOutput grpo_loss(const GrpoLossOptions& options, const GrpoLossInput& input, const BatchCounts& counts) {
  const int64_t rows = input.logprobs_R.size(0);
  PROSODIA_CHECK(!input.offsets.empty() && input.offsets.back() == rows, "{} rows", rows);
  PROSODIA_CHECK(input.advantages.size() + 1 == input.offsets.size(), "{} advantages", input.advantages.size());
  PROSODIA_CHECK(counts.sequences > 0 && counts.tokens >= rows, "{} tokens counted, {} rows", counts.tokens, rows);
  PROSODIA_CHECK(options.beta == 0 || input.ref_logprobs_R.defined(), "beta {} needs a reference", options.beta);

  const auto device = input.logprobs_R.device();
  const at::Tensor sequence_R = sequence_of_row(input.offsets).to(device);
  const at::Tensor weight_R = row_weights(options, input.offsets, counts).to(device);
  const at::Tensor advantage_R = row_advantages(input, sequence_R.cpu()).to(device);
  const at::Tensor old_R = input.old_logprobs_R.defined() ? input.old_logprobs_R : input.logprobs_R.detach();

  at::Tensor ratio_R =
      importance_ratio(options.importance_sampling_level, input.logprobs_R - old_R, sequence_R, input.offsets);
  const double low = 1 - options.epsilon, high = 1 + options.epsilon_high.value_or(options.epsilon);
  const at::Tensor clipped_R = ratio_R.clamp(low, high);
  if (options.delta) ratio_R = ratio_R.clamp_max(*options.delta);
  at::Tensor loss_R = -at::min(ratio_R * advantage_R, clipped_R * advantage_R);

  at::Tensor kl_R = at::zeros_like(loss_R.detach());
  if (options.beta != 0) {
    const at::Tensor gap_R = (input.ref_logprobs_R - input.logprobs_R).clamp(-kMaxLogRatio, kMaxLogRatio);
    const at::Tensor k3_R = gap_R.exp() - gap_R - 1;
    loss_R = loss_R + options.beta * k3_R;
    kl_R = k3_R.detach();
  }
  loss_R = loss_R * weight_R;
  const at::Tensor low_R = (ratio_R.detach() < low).logical_and(advantage_R < 0);
  const at::Tensor high_R = (ratio_R.detach() > high).logical_and(advantage_R > 0);
  GrpoLossOutput output;
  output.stats = sequence_stats(input.offsets, loss_R, kl_R, low_R, high_R, ratio_R);
  output.loss = loss_R.sum();
  return output;
}

}  // namespace prosodia
