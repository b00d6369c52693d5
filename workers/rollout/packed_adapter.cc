#include "workers/rollout/packed_adapter.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace prosodia {

void PackedAdapter::pack(std::span<const AdapterPart> parts) {
  std::vector<ops::LinearPart> downs;
  size_t used = 0;
  int64_t output = 0, inputs = 0;
  rank_ = widest_ = 0;
  for (const AdapterPart& part : parts) {
    if (part.lora->defined()) {
      const at::Tensor &a = part.lora->a_RK, &b = part.lora->b_NR;
      inputs = a.size(1);
      downs.push_back({a.const_data_ptr<float>(), nullptr, a.size(0)});
      if (parts_.size() <= used) parts_.emplace_back();
      Part& packed = parts_[used++];
      const ops::LinearPart up{b.const_data_ptr<float>(), nullptr, b.size(0)};
      packed.up.pack(b.size(1), {&up, 1});
      packed.first_rank = rank_;
      packed.first_output = output;
      packed.scaling = static_cast<float>(part.lora->scaling);
      rank_ += a.size(0);
      widest_ = std::max(widest_, part.outputs);
    }
    output += part.outputs;
  }
  parts_.resize(used);
  if (used > 0) down_.pack(inputs, downs);
}

void PackedAdapter::add(const float* x, int64_t rows, float* y, int64_t y_stride, float* scratch) const {
  float* ranks = scratch;
  float* update = scratch + rows * rank_;
  down_.forward(x, rows, ranks);
  for (const Part& part : parts_) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < part.up.inputs(); ++i) ranks[r * rank_ + part.first_rank + i] *= part.scaling;
    const int64_t outputs = part.up.outputs();
    part.up.forward(ranks + part.first_rank, rows, update, rank_, outputs);
    for (int64_t r = 0; r < rows; ++r) {
      float* row = y + r * y_stride + part.first_output;
      ops::add_rows(row, update + r * outputs, outputs, row);
    }
  }
}

}  // namespace prosodia
