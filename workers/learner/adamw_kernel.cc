#include "workers/learner/adamw_kernel.h"

#include <cmath>

namespace prosodia {

void adamw_rows(float* __restrict value, const float* __restrict grad, float* __restrict exp_avg,
                float* __restrict exp_avg_sq, size_t count, const AdamWCoefficients& c) {
  const float decay = static_cast<float>(1.0 - c.lr * c.weight_decay), scale = static_cast<float>(c.grad_scale);
  const float weight1 = static_cast<float>(1.0 - c.beta1), weight2 = static_cast<float>(1.0 - c.beta2);
  const float beta2 = static_cast<float>(c.beta2), eps = static_cast<float>(c.eps);
  const float bias2_sqrt = static_cast<float>(c.bias2_sqrt), step_size = static_cast<float>(-c.step_size);
  for (size_t i = 0; i < count; ++i) {
    const float g = grad[i] * scale;
    const float average = exp_avg[i] + weight1 * (g - exp_avg[i]);
    const float square = beta2 * exp_avg_sq[i] + weight2 * (g * g);
    exp_avg[i] = average;
    exp_avg_sq[i] = square;
    value[i] = value[i] * decay + step_size * (average / (std::sqrt(square) / bias2_sqrt + eps));
  }
}

}  // namespace prosodia
