#include "workers/learner/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>

#include "data/base/check.h"
#include "workers/learner/adamw_kernel.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

constexpr size_t kNormBlock = size_t{1} << 16;  // elements summed at a time: the order of the sum is fixed

void adamw_floats(const at::Tensor& value, const at::Tensor& grad, const at::Tensor& exp_avg,
                  const at::Tensor& exp_avg_sq, const AdamWCoefficients& c) {
  float* v = value.mutable_data_ptr<float>();
  const float* g = grad.const_data_ptr<float>();
  float *m = exp_avg.mutable_data_ptr<float>(), *s = exp_avg_sq.mutable_data_ptr<float>();
  at::parallel_for(0, value.numel(), int64_t{1} << 15, [&](int64_t begin, int64_t end) {
    adamw_rows(v + begin, g + begin, m + begin, s + begin, static_cast<size_t>(end - begin), c);
  });
}

// The same with ATen, for device tensors. All four are flat float32 views.
void adamw_tensors(at::Tensor value, const at::Tensor& grad, at::Tensor exp_avg, at::Tensor exp_avg_sq,
                   const AdamWCoefficients& c) {
  const at::Tensor g = grad * c.grad_scale;
  exp_avg.lerp_(g, 1.0 - c.beta1);
  exp_avg_sq.mul_(c.beta2).addcmul_(g, g, 1.0 - c.beta2);
  const at::Tensor denominator = exp_avg_sq.sqrt().div_(c.bias2_sqrt).add_(c.eps);
  value.mul_(1.0 - c.lr * c.weight_decay).addcdiv_(exp_avg, denominator, -c.step_size);
}

// In double, in blocks: the order of the sum is fixed.
double sum_of_squares(const at::Tensor& flat) {
  const float* data = flat.const_data_ptr<float>();
  const auto size = static_cast<size_t>(flat.numel());
  double total = 0;
  for (size_t begin = 0; begin < size; begin += kNormBlock) {
    double block = 0;
    for (size_t i = begin; i < std::min(size, begin + kNormBlock); ++i) block += static_cast<double>(data[i]) * data[i];
    total += block;
  }
  return total;
}

bool all_float32(const std::vector<NamedParameter>& parameters) {
  return std::all_of(parameters.begin(), parameters.end(),
                     [](const NamedParameter& p) { return p.tensor.scalar_type() == at::kFloat; });
}

// Adds a narrow gradient to its float32 place in the flat buffer as soon as a backward has made it: micro-batches add
// up in float32, and only one narrow gradient at a time takes memory.
class AccumulateInFloat : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit AccumulateInFloat(at::Tensor sum) : sum_(std::move(sum)) {}
  void operator()(const at::Tensor& parameter) override {
    const at::NoGradGuard no_grad;
    sum_.add_(parameter.grad());
    parameter.mutable_grad().reset();
  }

 private:
  at::Tensor sum_;  // a view of the flat buffer
};

std::span<float> span_of(const at::Tensor& flat) {
  return {flat.mutable_data_ptr<float>(), static_cast<size_t>(flat.numel())};
}

}  // namespace

AdamW::AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options, Collective& collective)
    : parameters_(std::move(parameters)), options_(options), collective_(collective) {
  PROSODIA_CHECK(!parameters_.empty(), "nothing trains: every part is frozen");
  size_t begin = 0;
  for (const auto& parameter : parameters_) {
    PROSODIA_CHECK(parameter.tensor.is_contiguous(), "{}", parameter.name);
    const size_t end = begin + static_cast<size_t>(parameter.tensor.numel());
    slices_.push_back({begin, end, parameter.tensor.dim() >= 2});
    begin = end;
  }
  num_elements_ = static_cast<int64_t>(begin);
  shard_ = shard_of(begin, collective_.rank(), collective_.size());
  const auto flat = at::TensorOptions().dtype(at::kFloat).device(parameters_.front().tensor.device());
  const auto shard_size = static_cast<int64_t>(shard_.size());
  grads_ = at::zeros({num_elements_}, flat);
  exp_avg_ = at::zeros({shard_size}, flat);
  exp_avg_sq_ = at::zeros({shard_size}, flat);
  if (!all_float32(parameters_)) {
    master_ = at::zeros({shard_size}, flat);
    copy_shard(Direction::kFromParameters, master_);
  }
  for (size_t p = 0; p < parameters_.size(); ++p) {
    at::Tensor& tensor = parameters_[p].tensor;
    const at::Tensor view =
        grads_.narrow(0, static_cast<int64_t>(slices_[p].begin), tensor.numel()).view(tensor.sizes());
    if (tensor.scalar_type() == at::kFloat)
      tensor.mutable_grad() = view;
    else
      torch::autograd::impl::set_post_acc_grad_hooks(tensor, std::make_unique<AccumulateInFloat>(view));
  }
}

void AdamW::zero_grad() {
  at::NoGradGuard no_grad;
  grads_.zero_();
}

void AdamW::check_gradients() const {
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const at::Tensor& tensor = parameters_[p].tensor;
    const float* place = grads_.const_data_ptr<float>() + slices_[p].begin;
    const bool in_place = tensor.scalar_type() != at::kFloat
                              ? !tensor.grad().defined()
                              : tensor.grad().defined() && tensor.grad().const_data_ptr() == place;
    PROSODIA_CHECK(in_place, "{}: its gradient left the flat buffer", parameters_[p].name);
  }
}

Result<double> AdamW::global_norm() {
  const at::Tensor mine = grads_.narrow(0, static_cast<int64_t>(shard_.begin), static_cast<int64_t>(shard_.size()));
  double total = mine.is_cpu() ? sum_of_squares(mine) : mine.square().sum(at::kDouble).item<double>();
  PROSODIA_TRY(collective_.all_reduce_sum(std::span(&total, 1)));
  if (!std::isfinite(total))
    return fail(ErrorCode::kInternal,
                "step {}: the gradient norm is not finite. Next: lower learning_rate, or look for a broken sample in "
                "the batch; the last checkpoint is unharmed",
                step_);
  return std::sqrt(total);
}

void AdamW::update_shard(double grad_scale, double learning_rate) {
  const double step = static_cast<double>(step_);
  const double bias1 = 1.0 - std::pow(options_.beta1, step), bias2 = 1.0 - std::pow(options_.beta2, step);
  AdamWCoefficients c{learning_rate, options_.beta1,        options_.beta2,   options_.eps,
                      0.0,           learning_rate / bias1, std::sqrt(bias2), grad_scale};
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const size_t begin = std::max(slices_[p].begin, shard_.begin), end = std::min(slices_[p].end, shard_.end);
    if (begin >= end) continue;
    c.weight_decay = slices_[p].decay ? options_.weight_decay : 0.0;
    const auto count = static_cast<int64_t>(end - begin), local = static_cast<int64_t>(begin - shard_.begin);
    const at::Tensor value = master_.defined() ? master_.narrow(0, local, count)
                                               : parameters_[p].tensor.detach().view(-1).narrow(
                                                     0, static_cast<int64_t>(begin - slices_[p].begin), count);
    const at::Tensor grad = grads_.narrow(0, static_cast<int64_t>(begin), count);
    const at::Tensor avg = exp_avg_.narrow(0, local, count), avg_sq = exp_avg_sq_.narrow(0, local, count);
    if (value.device().is_cpu())
      adamw_floats(value, grad, avg, avg_sq, c);
    else
      adamw_tensors(value, grad, avg, avg_sq, c);
  }
}

// Between a flat float32 tensor over this rank's shard and the parameters themselves.
void AdamW::copy_shard(Direction direction, const at::Tensor& flat) {
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const size_t begin = std::max(slices_[p].begin, shard_.begin), end = std::min(slices_[p].end, shard_.end);
    if (begin >= end) continue;
    const auto count = static_cast<int64_t>(end - begin);
    const at::Tensor part = flat.narrow(0, static_cast<int64_t>(begin - shard_.begin), count);
    const at::Tensor own =
        parameters_[p].tensor.detach().view(-1).narrow(0, static_cast<int64_t>(begin - slices_[p].begin), count);
    if (direction == Direction::kFromParameters)
      part.copy_(own);
    else
      own.copy_(part);
  }
}

// Every rank's new values to every rank. The gradient buffer, done with, serves as the flat buffer.
Status AdamW::gather_values() {
  if (collective_.size() == 1) {
    if (master_.defined()) copy_shard(Direction::kToParameters, master_);
    return {};
  }
  const at::Tensor mine = grads_.narrow(0, static_cast<int64_t>(shard_.begin), static_cast<int64_t>(shard_.size()));
  if (master_.defined())
    mine.copy_(master_);
  else
    copy_shard(Direction::kFromParameters, mine);
  PROSODIA_TRY(collective_.all_gather(span_of(grads_)));
  for (size_t p = 0; p < parameters_.size(); ++p) {
    at::Tensor own = parameters_[p].tensor.detach().view(-1);
    own.copy_(grads_.narrow(0, static_cast<int64_t>(slices_[p].begin), own.numel()));
  }
  return {};
}

Result<double> AdamW::step(double learning_rate) {
  at::NoGradGuard no_grad;
  check_gradients();
  PROSODIA_TRY(collective_.reduce_scatter_sum(span_of(grads_)));
  PROSODIA_ASSIGN(const double norm, global_norm());
  double scale = 1.0;
  if (options_.max_grad_norm > 0) scale = std::min(1.0, options_.max_grad_norm / (norm + 1e-6));
  ++step_;
  update_shard(scale, learning_rate);
  PROSODIA_TRY(gather_values());
  return norm;
}

OptimizerState AdamW::state() const { return {step_, shard_, exp_avg_, exp_avg_sq_, master_}; }

Status AdamW::restore(const OptimizerState& state) {
  at::NoGradGuard no_grad;
  const auto size = static_cast<int64_t>(shard_.size());
  if (state.exp_avg.numel() != size || state.exp_avg_sq.numel() != size ||
      state.master.defined() != master_.defined() || (master_.defined() && state.master.numel() != size))
    return fail(ErrorCode::kInvalidInput,
                "optimizer state of {} elements does not fit this run's shard of {}: were the model, `freeze` or the "
                "dtype changed? Next: start in a new output folder, or go back to the saved options",
                state.exp_avg.numel(), size);
  exp_avg_.copy_(state.exp_avg);
  exp_avg_sq_.copy_(state.exp_avg_sq);
  if (master_.defined()) master_.copy_(state.master);
  step_ = state.step;
  return {};
}

}  // namespace prosodia
