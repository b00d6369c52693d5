#include "workers/learner/model_part.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace prosodia {

std::vector<NamedParameter> select_trainable(Model& model, std::span<const ModelPart> frozen) {
  std::vector<NamedParameter> trainable;
  for (auto& parameter : model.parameters()) {
    const bool trains = std::find(frozen.begin(), frozen.end(), part_of(parameter.name)) == frozen.end();
    parameter.tensor.set_requires_grad(trains);
    if (trains) trainable.push_back(parameter);
  }
  return trainable;
}

}  // namespace prosodia
