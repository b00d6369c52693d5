// What trains: sets requires_grad by FreezeSpec and adapter. Callers: sft, grpo_step. Single thread.
#pragma once

#include "workers/model/policy_weights.h"

namespace prosodia {

// The parameters that change, with requires_grad set; all others have it cleared, so that no backward computes their
// gradients. kUsage as PolicyWeights::create.
Result<PolicyWeights> select_trainable(Model& model, const FreezeSpec& freeze);

}  // namespace prosodia
