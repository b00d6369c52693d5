// Key/value slabs and decode attention of kernels.h.
#include <algorithm>
#include <vector>

#include "data/base/check.h"
#include "workers/model/ops/isa/table.h"
#include "workers/model/ops/kernels.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kBlockQueryRows = 48;

struct HeadRun {
  const float* keys;
  const float* values;
};
HeadRun head_run(const KvLayout& layout, const KvRun& run, int64_t kv_head) {
  if (run.length == 0) return {nullptr, nullptr};
  return {run.slab + kv_head * run.capacity * layout.head_dim,
          run.slab + layout.key_floats(run.capacity) + kv_head * run.capacity * layout.padded_dim()};
}

bool same_prefix(const KvView& a, const KvView& b) {
  return a.prefix.length == b.prefix.length && (a.prefix.length == 0 || a.prefix.slab == b.prefix.slab);
}

struct DecodeScratch {
  AlignedBuffer floats;
  std::vector<const float*> keys, values;
  std::vector<int64_t> lengths;
};
DecodeScratch& decode_scratch() {
  thread_local DecodeScratch scratch;
  return scratch;
}

}  // namespace

void kv_clear(const KvLayout& layout, float* slab, int64_t capacity) {
  std::fill(slab, slab + layout.floats(capacity), 0.0f);
}

void kv_store(const KvLayout& layout, float* slab, int64_t capacity, int64_t position, int64_t count, const float* k,
              int64_t k_stride, const float* v, int64_t v_stride) {
  PROSODIA_CHECK(position >= 0 && position + count <= capacity && capacity % 16 == 0, "positions {}+{} of {}", position,
                 count, capacity);
  const int64_t dim = layout.head_dim, padded = layout.padded_dim();
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    float* keys = slab + head * capacity * dim;
    float* values = slab + layout.key_floats(capacity) + head * capacity * padded;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = position + i;
      const float* key = k + i * k_stride + head * dim;
      float* lane = keys + at / 16 * 16 * dim + at % 16;
      for (int64_t d = 0; d < dim; ++d) lane[d * 16] = key[d];
      const float* value = v + i * v_stride + head * dim;
      float* row = values + at * padded;
      std::copy(value, value + dim, row);
      std::fill(row + dim, row + padded, 0.0f);
    }
  }
}

void attend_rows_cached(const KvLayout& layout, int64_t heads, float scale, const float* q, int64_t q_stride,
                        std::span<const KvView> views, float* out, int64_t out_stride) {
  const int64_t group = heads / layout.kv_heads, rows = static_cast<int64_t>(views.size());
  PROSODIA_CHECK(heads % layout.kv_heads == 0 && group <= 256, "{} heads, {} kv heads", heads, layout.kv_heads);
  const int64_t block = std::max<int64_t>(1, kBlockQueryRows / group);
  DecodeScratch& scratch = decode_scratch();
  scratch.keys.resize(static_cast<size_t>(block));
  scratch.values.resize(static_cast<size_t>(block));
  scratch.lengths.resize(static_cast<size_t>(block));
  for (int64_t begin = 0, end; begin < rows; begin = end) {
    int64_t longest = 0;
    for (end = begin; end < rows && end - begin < block && same_prefix(views[begin], views[end]); ++end) {
      scratch.lengths[end - begin] = views[end].own.length;
      longest = std::max(longest, views[end].own.length);
    }
    const KvRun& prefix = views[begin].prefix;
    float* workspace = scratch.floats.reserve(static_cast<size_t>(
        kernels().decode_workspace_floats((end - begin) * group, prefix.length + longest, layout.head_dim)));
    for (int64_t head = 0; head < layout.kv_heads; ++head) {
      for (int64_t r = begin; r < end; ++r) {
        const HeadRun own = head_run(layout, views[r].own, head);
        scratch.keys[r - begin] = own.keys;
        scratch.values[r - begin] = own.values;
      }
      const HeadRun shared = head_run(layout, prefix, head);
      kernels().attend_cached({.q = q + begin * q_stride + head * group * layout.head_dim,
                               .q_stride = q_stride,
                               .rows = end - begin,
                               .group = group,
                               .dim = layout.head_dim,
                               .padded_dim = layout.padded_dim(),
                               .scale = scale,
                               .prefix_keys = shared.keys,
                               .prefix_values = shared.values,
                               .prefix = prefix.length,
                               .own_keys = scratch.keys.data(),
                               .own_values = scratch.values.data(),
                               .own = scratch.lengths.data(),
                               .out = out + begin * out_stride + head * group * layout.head_dim,
                               .out_stride = out_stride,
                               .workspace = workspace});
    }
  }
}

}  // namespace prosodia::ops
