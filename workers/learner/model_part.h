// Freezes parts of a model. Callers: sft, grpo_step. Sets requires_grad; single thread.
#pragma once

#include <span>
#include <vector>

#include "workers/learner/train_options.h"
#include "workers/model/model.h"

namespace prosodia {

// Sets requires_grad on every parameter and returns those that train, in the model's order.
std::vector<NamedParameter> select_trainable(Model& model, std::span<const ModelPart> frozen);

}  // namespace prosodia
