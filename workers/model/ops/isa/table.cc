// Compiled once per instruction set (CMakeLists.txt sets PROSODIA_ISA to avx2 or avx512 and the matching flags).
#include "workers/model/ops/isa/table.h"

#include "workers/model/ops/isa/attention.h"
#include "workers/model/ops/isa/gemm.h"
#include "workers/model/ops/isa/logits.h"
#include "workers/model/ops/isa/rows.h"

namespace prosodia::ops::PROSODIA_ISA {

constinit const KernelTable kTable = {
    .gemm = gemm<float>,
    .pack_transposed = pack_transposed,
    .pack_rows = pack_rows,
    .gemm_bf16 = gemm<Bf16>,
    .pack_transposed_bf16 = pack_transposed_bf16,
    .pack_rows_bf16 = pack_rows_bf16,
    .round_bf16 = round_row_bf16,
    .widen_bf16 = widen_row_bf16,
    .rms_norm = rms_norm<Exact>,
    .rms_norm_bf16 = rms_norm<RoundBf16>,
    .rms_norm_backward = rms_norm_backward,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .rope = rope,
    .silu_mul = silu_mul<Exact>,
    .silu_mul_bf16 = silu_mul<RoundBf16>,
    .silu_mul_backward = silu_mul_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .add = add_vectors,
    .column_sums = column_sums,
    .attention_workspace_floats = attention_workspace_floats,
    .attention = attention,
    .attention_backward = attention_backward,
    .decode_workspace_floats = decode_workspace_floats,
    .attend_cached = attend_cached,
    .chunk_stats = chunk_stats,
    .exp_row = exp_row,
    .softmax_gradient = softmax_gradient,
    .argmax = argmax,
};

}  // namespace prosodia::ops::PROSODIA_ISA
