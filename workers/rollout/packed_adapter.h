// The adapters of one merged projection (q|k|v, gate|up) on raw kernels: y += B(scaling A x) for each part of y.
// Same roundings in the same order as linear_with_adapter (workers/model/lora_linear.h), so the same bits.
//
// Used by the CPU backend. pack() copies the weights: call it again when they change. add() allocates nothing once the
// scratch is large enough; with a scratch of its own per block of rows it may run in several threads at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workers/model/model_parts.h"
#include "workers/model/ops/kernels.h"

namespace prosodia {

struct AdapterPart {
  const LoraPair* lora = nullptr;  // may be undefined: then this part of y stays as it is
  int64_t outputs = 0;             // columns of y that belong to the part
};

class PackedAdapter {
 public:
  void pack(std::span<const AdapterPart> parts);
  bool empty() const { return parts_.empty(); }
  int64_t scratch_floats() const { return rank_ + widest_; }  // per row

  // x: [rows, inputs] contiguous; y: [rows, y_stride]; scratch: rows * scratch_floats().
  void add(const float* x, int64_t rows, float* y, int64_t y_stride, float* scratch) const;

 private:
  struct Part {
    ops::PackedLinear up;  // B
    int64_t first_rank = 0, first_output = 0;
    float scaling = 0;
  };
  ops::PackedLinear down_;  // the A of all parts, one below the other
  std::vector<Part> parts_;
  int64_t rank_ = 0, widest_ = 0;  // of all parts together; outputs of the widest
};

}  // namespace prosodia
