#include "workers/model/ops/kernels.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "data/base/check.h"
#include "workers/model/ops/isa/table.h"

namespace prosodia::ops {
namespace {

std::atomic<const KernelTable*> active_table{nullptr};

const KernelTable* table_of(Isa isa) { return isa == Isa::kAvx512 ? &avx512::kTable : &avx2::kTable; }

AlignedBuffer& matmul_scratch() {
  thread_local AlignedBuffer buffer;
  return buffer;
}

int64_t groups_of(int64_t outputs) { return (outputs + 15) / 16; }

void pack_transposed(const float* b, int64_t stride, int64_t rows, int64_t inner, float* out) {
  kernels().pack_transposed(b, stride, rows, inner, out);
}
void pack_transposed(const Bf16* b, int64_t stride, int64_t rows, int64_t inner, Bf16* out) {
  kernels().pack_transposed_bf16(b, stride, rows, inner, out);
}
void gemm(const GemmArgs& args) { kernels().gemm(args); }
void gemm(const GemmArgsBf16& args) { kernels().gemm_bf16(args); }

}  // namespace

bool cpu_supports(Isa isa) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

Isa active_isa() { return &kernels() == &avx512::kTable ? Isa::kAvx512 : Isa::kAvx2; }

void force_isa(Isa isa) {
  PROSODIA_CHECK(cpu_supports(isa), "this CPU lacks {}",
                 isa == Isa::kAvx512 ? "AVX-512 (F, VL, BW, DQ)" : "AVX2 and FMA");
  active_table.store(table_of(isa), std::memory_order_release);
}

const KernelTable& kernels() {
  const KernelTable* table = active_table.load(std::memory_order_acquire);
  if (table == nullptr) [[unlikely]] {
    PROSODIA_CHECK(cpu_supports(Isa::kAvx2),
                   "Prosodia's CPU kernels need AVX2 and FMA (Intel Haswell, AMD Zen or later); this CPU has neither");
    table = table_of(cpu_supports(Isa::kAvx512) ? Isa::kAvx512 : Isa::kAvx2);
    active_table.store(table, std::memory_order_release);
  }
  return *table;
}

void AlignedBuffer::Free::operator()(float* pointer) const { ::operator delete[](pointer, std::align_val_t{64}); }

float* AlignedBuffer::reserve(size_t floats) {
  if (floats > capacity_) {
    data_.reset();  // before allocating: the old contents are not needed
    data_.reset(static_cast<float*>(::operator new[](floats * sizeof(float), std::align_val_t{64})));
    capacity_ = floats;
  }
  return data_.get();
}

PackedLinear::PackedLinear(const float* weight_NK, const float* bias_N, int64_t outputs, int64_t inputs) {
  const LinearPart part{weight_NK, bias_N, outputs};
  pack(inputs, {&part, 1});
}

void PackedLinear::pack(int64_t inputs, std::span<const LinearPart> parts) { pack_parts<float>(inputs, parts); }
void PackedLinear::pack(int64_t inputs, std::span<const LinearPartBf16> parts) { pack_parts<Bf16>(inputs, parts); }

template <class Element>
void PackedLinear::pack_parts(int64_t inputs, std::span<const LinearPartOf<Element>> parts) {
  PROSODIA_CHECK(inputs > 0, "inputs {}", inputs);
  inputs_ = inputs;
  outputs_ = 0;
  has_bias_ = false;
  panels_are_bf16_ = sizeof(Element) == sizeof(Bf16);
  for (const auto& part : parts) {
    PROSODIA_CHECK(part.outputs > 0 && part.weight != nullptr, "outputs {}", part.outputs);
    outputs_ += part.outputs;
    has_bias_ = has_bias_ || part.bias != nullptr;
  }
  const int64_t padded = groups_of(outputs_) * 16;
  const size_t bytes = static_cast<size_t>(padded * inputs) * sizeof(Element);
  auto* panels = reinterpret_cast<Element*>(panels_.reserve(bytes / sizeof(float)));
  float* bias = bias_.reserve(static_cast<size_t>(padded));
  std::memset(bias, 0, static_cast<size_t>(padded) * sizeof(float));
  int64_t output = 0;
  for (const auto& part : parts) {
    if (part.bias) std::copy(part.bias, part.bias + part.outputs, bias + output);
    int64_t done = 0;
    while (done < part.outputs) {
      const int64_t lane = (output + done) % 16;
      Element* panel = panels + (output + done) / 16 * 16 * inputs;
      if (lane == 0) {  // whole panels, and the zero-padded start of one that the next part continues
        const int64_t whole = part.outputs - done;
        pack_transposed(part.weight + done * inputs, inputs, whole, inputs, panel);
        done = part.outputs;
      } else {
        const int64_t count = std::min<int64_t>(16 - lane, part.outputs - done);
        for (int64_t i = 0; i < count; ++i)
          for (int64_t k = 0; k < inputs; ++k) panel[k * 16 + lane + i] = part.weight[(done + i) * inputs + k];
        done += count;
      }
    }
    output += part.outputs;
  }
}

void PackedLinear::forward(const float* x_RK, int64_t rows, float* y_RN, int64_t x_stride, int64_t y_stride) const {
  if (panels_are_bf16_)
    multiply<Bf16>(x_RK, rows, y_RN, x_stride, y_stride);
  else
    multiply<float>(x_RK, rows, y_RN, x_stride, y_stride);
}

template <class Element>
void PackedLinear::multiply(const float* x_RK, int64_t rows, float* y_RN, int64_t x_stride, int64_t y_stride) const {
  gemm(GemmArgsOf<Element>{.a = x_RK,
                           .a_stride = x_stride ? x_stride : inputs_,
                           .a_transposed = false,
                           .b = reinterpret_cast<const Element*>(panels_.data()),
                           .b_group_stride = inputs_ * 16,
                           .b_row_stride = 16,
                           .bias = has_bias_ ? bias_.data() : nullptr,
                           .c = y_RN,
                           .c_stride = y_stride ? y_stride : outputs_,
                           .rows = rows,
                           .inner = inputs_,
                           .cols = outputs_,
                           .accumulate = false});
}

namespace {

enum class Side { kPlain, kTransposed };

// Packs B, then multiplies. `a_side`/`b_side` say how the operand is stored.
void packed_matmul(const float* a, int64_t lda, Side a_side, const float* b, int64_t ldb, Side b_side, float* c,
                   int64_t ldc, int64_t rows, int64_t inner, int64_t cols, Accumulate accumulate) {
  float* panels = matmul_scratch().reserve(static_cast<size_t>(groups_of(cols) * 16 * inner));
  if (b_side == Side::kTransposed)
    kernels().pack_transposed(b, ldb, cols, inner, panels);
  else
    kernels().pack_rows(b, ldb, inner, cols, panels);
  kernels().gemm({.a = a,
                  .a_stride = lda,
                  .a_transposed = a_side == Side::kTransposed,
                  .b = panels,
                  .b_group_stride = inner * 16,
                  .b_row_stride = 16,
                  .bias = nullptr,
                  .c = c,
                  .c_stride = ldc,
                  .rows = rows,
                  .inner = inner,
                  .cols = cols,
                  .accumulate = accumulate == Accumulate::kYes});
}

}  // namespace

void matmul(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
            int64_t inner, int64_t cols, Accumulate accumulate) {
  packed_matmul(a, lda, Side::kPlain, b, ldb, Side::kPlain, c, ldc, rows, inner, cols, accumulate);
}
void matmul_b_transposed(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
                         int64_t inner, int64_t cols, Accumulate accumulate) {
  packed_matmul(a, lda, Side::kPlain, b, ldb, Side::kTransposed, c, ldc, rows, inner, cols, accumulate);
}
void matmul_a_transposed(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
                         int64_t inner, int64_t cols, Accumulate accumulate) {
  packed_matmul(a, lda, Side::kTransposed, b, ldb, Side::kPlain, c, ldc, rows, inner, cols, accumulate);
}

void rms_norm_rows(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight, float eps,
                   float* y, int64_t y_stride) {
  kernels().rms_norm(x, x_stride, rows, channels, weight, eps, y, y_stride);
}
void layer_norm_rows(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight,
                     const float* bias, float eps, float* y, int64_t y_stride) {
  kernels().layer_norm(x, x_stride, rows, channels, weight, bias, eps, y, y_stride);
}
void rope_rows(const float* x, int64_t x_stride, int64_t rows, int64_t heads, int64_t head_dim,
               const int64_t* positions, const float* cos, const float* sin, float* y, int64_t y_stride) {
  kernels().rope(x, x_stride, rows, heads, head_dim, positions, cos, sin, 1.0f, y, y_stride);
}
void silu_mul_rows(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                   int64_t channels, float* y, int64_t y_stride) {
  kernels().silu_mul(gate, gate_stride, up, up_stride, rows, channels, y, y_stride);
}
void rms_norm_rows_bf16(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight,
                        float eps, float* y, int64_t y_stride) {
  kernels().rms_norm_bf16(x, x_stride, rows, channels, weight, eps, y, y_stride);
}
void silu_mul_rows_bf16(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                        int64_t channels, float* y, int64_t y_stride) {
  kernels().silu_mul_bf16(gate, gate_stride, up, up_stride, rows, channels, y, y_stride);
}
void round_bf16_rows(const float* x, int64_t count, float* y) { kernels().round_bf16(x, count, y); }
void widen_bf16_rows(const Bf16* x, int64_t count, float* y) { kernels().widen_bf16(x, count, y); }
void gelu_rows(const float* x, int64_t count, float* y) { kernels().gelu(x, count, y); }
void add_rows(const float* a, const float* b, int64_t count, float* y) { kernels().add(a, b, count, y); }

}  // namespace prosodia::ops
