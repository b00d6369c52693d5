// The AdamW update on raw float32, one pass over memory. No torch: compiled with vectorisation on, which the
// floating-point rules of this file permit without changing a bit (sqrt cannot set errno here).
// Formula: torch.optim.AdamW (2.11, single tensor). Caller: optimizer.cc, on disjoint ranges in parallel.
#pragma once

#include <cstddef>

namespace prosodia {

struct AdamWCoefficients {  // of one step, in double as PyTorch computes them
  double lr, beta1, beta2, eps, weight_decay, step_size, bias2_sqrt, grad_scale;
};

// grad is scaled first (clipping). All arrays have `count` elements and do not overlap.
void adamw_rows(float* value, const float* grad, float* exp_avg, float* exp_avg_sq, size_t count,
                const AdamWCoefficients& coefficients);

}  // namespace prosodia
