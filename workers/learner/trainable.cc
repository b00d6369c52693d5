#include "workers/learner/trainable.h"

#include <ATen/ATen.h>

namespace prosodia {

Result<PolicyWeights> select_trainable(Model& model, const FreezeSpec& freeze) {
  PROSODIA_ASSIGN(PolicyWeights weights, PolicyWeights::create(model, freeze));
  for (NamedParameter& parameter : model.parameters()) parameter.tensor.set_requires_grad(false);
  for (const NamedParameter& parameter : weights.changing()) {
    at::Tensor handle = parameter.tensor;
    handle.set_requires_grad(true);
  }
  return weights;
}

}  // namespace prosodia
