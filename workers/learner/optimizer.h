// AdamW over all trainable parameters as one flat index space, sharded over the ranks.
//
// Every parameter's gradient is a view into one flat buffer: one reduce-scatter, one norm, one update of this rank's
// shard (its moments exist only here), one all-gather of the new values. With one rank nothing is sent.
// Formula: torch.optim.AdamW (decoupled weight decay, bias correction; 2.11, single tensor), clipping as
// torch.nn.utils.clip_grad_norm_. Biases and norms (tensors with fewer than two dimensions) get no weight decay, as in
// transformers' Trainer. Parameters that are not float32 keep a float32 master copy of this rank's shard, and their
// gradients are summed over micro-batches in float32: .grad is empty again after every backward.
//
// Callers: grpo_step, sft. Single thread; no other thread may read parameters during step().
// Failure rule: collectives' errors are passed on; a norm that is not finite gives kInternal and changes nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "workers/learner/collective.h"
#include "workers/learner/train_options.h"
#include "workers/model/model.h"

namespace prosodia {

struct OptimizerState {  // this rank's shard, for checkpoints
  int64_t step = 0;
  Shard shard;
  at::Tensor exp_avg, exp_avg_sq;  // [shard]
  at::Tensor master;               // [shard]; undefined while every parameter is float32
};

class AdamW {
 public:
  // Keeps references to the parameters' storage; `collective` must outlive it.
  AdamW(std::vector<NamedParameter> parameters, const AdamWOptions& options, Collective& collective);

  // Zeroes the gradients. Call before the first backward of a step.
  void zero_grad();
  // Sums gradients over ranks, clips, updates with this rate. Returns the norm before clipping.
  Result<double> step(double learning_rate);

  int64_t num_steps() const { return step_; }
  int64_t num_elements() const { return num_elements_; }
  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  at::Tensor gradients() const { return grads_; }  // flat [num_elements], float32

  OptimizerState state() const;                 // views, valid until the next step
  Status restore(const OptimizerState& state);  // copies; kInvalidInput when sizes differ
  Shard shard() const { return shard_; }

 private:
  struct Slice {  // a parameter's part of the flat index space
    size_t begin = 0, end = 0;
    bool decay = false;
  };
  enum class Direction { kFromParameters, kToParameters };
  void check_gradients() const;  // every gradient is in the flat buffer
  Result<double> global_norm();
  void update_shard(double grad_scale, double learning_rate);
  void copy_shard(Direction direction, const at::Tensor& flat);
  Status gather_values();

  std::vector<NamedParameter> parameters_;
  std::vector<Slice> slices_;
  AdamWOptions options_;
  Collective& collective_;
  int64_t num_elements_ = 0;
  int64_t step_ = 0;
  Shard shard_;
  at::Tensor grads_;  // [num_elements] float32; .grad of float32 parameters are views, the others' are added to it
  at::Tensor exp_avg_, exp_avg_sq_;  // [shard]
  at::Tensor master_;                // [shard] or undefined
};

}  // namespace prosodia
