// Options that SFT and GRPO share: the optimizer's. (Which parts of the model train: workers/model/freeze.h.)
// No torch here: the command line reads this header. Value types; pure functions.
#pragma once

namespace prosodia {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.0;   // not applied to biases and norms
  double max_grad_norm = 1.0;  // 0 = no clipping
};

}  // namespace prosodia
