#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

using Segments = std::vector<AttentionSegment>;

struct Heads {
  int64_t heads, kv_heads, dim;
};
const std::vector<Heads> kHeads = {{1, 1, 4}, {4, 2, 20}, {4, 4, 24}, {6, 2, 32}, {4, 1, 64}, {7, 1, 80}, {2, 2, 128}};

Tensors qkv(int64_t tokens, const Heads& h, uint64_t seed) {
  return {randn({tokens, h.heads, h.dim}, seed), randn({tokens, h.kv_heads, h.dim}, seed + 1),
          randn({tokens, h.kv_heads, h.dim}, seed + 2)};
}
double scale_of(const Heads& h) { return 1.0 / std::sqrt(static_cast<double>(h.dim)); }

// One row at a time, straight from the definition.
at::Tensor reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Segments& segments,
                     double scale) {
  const int64_t group = q.size(1) / k.size(1);
  Tensors rows(static_cast<size_t>(q.size(0)));
  for (const AttentionSegment& s : segments)
    for (int64_t t = s.begin; t < s.end; ++t) {
      const int64_t own = s.causal ? t + 1 - s.begin : s.end - s.begin;
      const auto seen = [&](const at::Tensor& x) {
        return at::cat({x.narrow(0, s.prefix_begin, s.prefix_end - s.prefix_begin), x.narrow(0, s.begin, own)}, 0)
            .repeat_interleave(group, 1)
            .transpose(0, 1);  // [H, keys, D]
      };
      const at::Tensor weights = at::softmax(at::bmm(seen(k), q[t].unsqueeze(2)) * scale, 1);
      rows[static_cast<size_t>(t)] = (weights * seen(v)).sum(1).unsqueeze(0);
    }
  for (at::Tensor& row : rows)
    if (!row.defined()) row = at::zeros({1, q.size(1), q.size(2)}, q.options());
  return at::cat(rows, 0);
}

// A prompt of 19 tokens with three responses, a plain sequence, an encoder chunk; row 80 is in no segment.
const Segments kMixed = {{0, 19}, {19, 30, 0, 19}, {30, 31, 0, 19}, {31, 52, 0, 19}, {52, 65}, {65, 80, 0, 0, false}};
constexpr int64_t kMixedTokens = 81;

TEST(Attention, MatchesFp64ValuesAndGradients) {
  for (const Heads& h : kHeads) {
    SCOPED_TRACE(h.dim);
    expect_matches([&](const Tensors& in) { return ops::attention(in[0], in[1], in[2], kMixed, scale_of(h)); },
                   [&](const Tensors& in) { return reference(in[0], in[1], in[2], kMixed, scale_of(h)); },
                   qkv(kMixedTokens, h, 7));
  }
}

TEST(Attention, LongSegmentsSpanBlocks) {
  const Heads h{4, 2, 32};
  const Segments segments = {{0, 150}, {150, 330, 0, 150}, {330, 460, 0, 0, false}};
  expect_matches([&](const Tensors& in) { return ops::attention(in[0], in[1], in[2], segments, scale_of(h)); },
                 [&](const Tensors& in) { return reference(in[0], in[1], in[2], segments, scale_of(h)); },
                 qkv(460, h, 3));
}

TEST(Attention, LargeScoresDoNotOverflow) {
  const Heads h{2, 2, 16};
  Tensors in = qkv(40, h, 5);
  in[0] = in[0] * 300.0;
  const at::Tensor out = ops::attention(in[0], in[1], in[2], Segments{{0, 40}}, 1.0);
  const at::Tensor exact =
      reference(in[0].to(at::kDouble), in[1].to(at::kDouble), in[2].to(at::kDouble), Segments{{0, 40}}, 1.0);
  EXPECT_LE(relative_error(out, exact), 1e-3);  // scores near 3000 carry an fp32 error of 2e-4 into the exponent
}

TEST(Attention, ViewsOfAMergedProjectionWork) {
  const Heads h{4, 2, 20};
  const at::Tensor merged = randn({kMixedTokens, 8, 20}, 1);
  const at::Tensor q = merged.narrow(1, 0, 4), k = merged.narrow(1, 4, 2), v = merged.narrow(1, 6, 2);
  EXPECT_TRUE(same_bits(ops::attention(q, k, v, kMixed, scale_of(h)),
                        ops::attention(q.contiguous(), k.contiguous(), v.contiguous(), kMixed, scale_of(h))));
}

TEST(Attention, RowBitsDoNotDependOnTheBatch) {
  for (const Heads& h : kHeads) {
    SCOPED_TRACE(h.dim);
    const int64_t tokens = 70;
    const Tensors in = qkv(tokens, h, 11);
    const at::Tensor all = ops::attention(in[0], in[1], in[2], Segments{{0, tokens}}, scale_of(h));
    // A causal row is the last row of the sequence cut after it.
    for (int64_t n = 1; n <= tokens; ++n) {
      const auto cut = [&](const at::Tensor& x) { return x.narrow(0, 0, n); };
      const at::Tensor part = ops::attention(cut(in[0]), cut(in[1]), cut(in[2]), Segments{{0, n}}, scale_of(h));
      EXPECT_TRUE(same_bits(part[n - 1], all[n - 1])) << "row " << n - 1;
    }
    // The same sequence twice, at other places, in another order of segments.
    const auto twice = [&](const at::Tensor& x) { return at::cat({x, x.narrow(0, 0, 5), x}, 0); };
    const Segments segments = {{75, 145}, {70, 75}, {0, 70}};
    const at::Tensor out = ops::attention(twice(in[0]), twice(in[1]), twice(in[2]), segments, scale_of(h));
    EXPECT_TRUE(same_bits(out.narrow(0, 0, tokens), all));
    EXPECT_TRUE(same_bits(out.narrow(0, 75, tokens), all));
  }
}

TEST(Attention, SharedPrefixEqualsDuplicatedPrompt) {
  const int64_t prompt = 37, response = 26, copies = 3;
  for (const Heads& h : kHeads) {
    SCOPED_TRACE(h.dim);
    Segments shared = {{0, prompt}}, plain;
    std::vector<int64_t> rows;  // rows of the duplicated batch in the shared one
    for (int64_t c = 0; c < copies; ++c) {
      shared.push_back({prompt + c * response, prompt + (c + 1) * response, 0, prompt});
      plain.push_back({c * (prompt + response), (c + 1) * (prompt + response)});
      for (int64_t i = 0; i < prompt + response; ++i) rows.push_back(i < prompt ? i : i + c * response);
    }
    const at::Tensor index = at::tensor(rows);
    const auto with_prefix = [&](const Tensors& in) {
      return ops::attention(in[0], in[1], in[2], shared, scale_of(h)).index_select(0, index);
    };
    const auto duplicated = [&](const Tensors& in) {
      const auto copy = [&](const at::Tensor& x) { return x.index_select(0, index); };
      return ops::attention(copy(in[0]), copy(in[1]), copy(in[2]), plain, scale_of(h));
    };
    const Tensors inputs = qkv(prompt + copies * response, h, 21);
    const Tensors a = output_and_gradients(with_prefix, inputs, at::kFloat),
                  b = output_and_gradients(duplicated, inputs, at::kFloat);
    EXPECT_TRUE(same_bits(a[0], b[0]));
    for (size_t i = 1; i < a.size(); ++i)
      EXPECT_LE(((a[i] - b[i]).norm() / b[i].norm()).item<double>(), 1e-6) << "gradient " << i;
  }
}

TEST(Attention, BothInstructionSetsGiveTheSameBits) {
  expect_same_bits_on_both_isas([] {
    Tensors all;
    for (const Heads& h : kHeads)
      for (at::Tensor& t : output_and_gradients(
               [&](const Tensors& in) { return ops::attention(in[0], in[1], in[2], kMixed, scale_of(h)); },
               qkv(kMixedTokens, h, 7), at::kFloat))
        all.push_back(t);
    return all;
  });
}

TEST(Attention, ThreadsDoNotChangeBits) {
  const Heads h{6, 2, 32};
  const auto op = [&](const Tensors& in) { return ops::attention(in[0], in[1], in[2], kMixed, scale_of(h)); };
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = output_and_gradients(op, qkv(kMixedTokens, h, 7), at::kFloat);
  at::set_num_threads(3);
  const Tensors three = output_and_gradients(op, qkv(kMixedTokens, h, 7), at::kFloat);
  at::set_num_threads(before);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], three[i]));
}

TEST(Attention, CompositeFallbackAgrees) {
  const Heads h{4, 2, 20};
  const Tensors in = qkv(kMixedTokens, h, 7);
  Tensors doubles;
  for (const at::Tensor& x : in) doubles.push_back(x.to(at::kDouble));
  const at::Tensor composite = ops::attention(doubles[0], doubles[1], doubles[2], kMixed, scale_of(h));
  EXPECT_LE(relative_error(composite, reference(doubles[0], doubles[1], doubles[2], kMixed, scale_of(h))), 1e-12);
}

// Decode: rows of two groups with different prefixes and one row without, own lengths all different.
struct Cached {
  KvLayout layout;
  std::vector<AlignedBuffer> slabs;
  std::vector<KvView> views;
};

KvRun store_run(Cached& cache, const at::Tensor& k, const at::Tensor& v, int64_t begin, int64_t length) {
  const int64_t capacity = KvLayout::round_capacity(length + 5), stride = k.size(1) * k.size(2);
  AlignedBuffer slab(static_cast<size_t>(cache.layout.floats(capacity)));
  kv_clear(cache.layout, slab.data(), capacity);
  // In two pieces, as prefill and decode do; then garbage beyond the end, which must not matter.
  const int64_t first = length / 2;
  const auto put = [&](int64_t position, int64_t from, int64_t count) {
    kv_store(cache.layout, slab.data(), capacity, position, count, k.const_data_ptr<float>() + from * stride, stride,
             v.const_data_ptr<float>() + from * stride, stride);
  };
  put(0, begin, first);
  put(first, begin + first, length - first);
  put(length, 0, 3);
  const KvRun run{slab.data(), capacity, length};
  cache.slabs.push_back(std::move(slab));
  return run;
}

TEST(AttendRowsCached, HasTheBitsOfPackedAttention) {
  const Segments segments = {{0, 33},  {33, 50, 0, 33},   {50, 51, 0, 33}, {51, 77, 0, 33},
                             {77, 90}, {90, 107, 77, 90}, {107, 126}};
  const std::vector<int64_t> asked = {1, 2, 3, 5, 6};  // segments whose last row is decoded
  for (const Heads& h : kHeads) {
    SCOPED_TRACE(h.dim);
    const Tensors in = qkv(126, h, 31);
    const at::Tensor packed = ops::attention(in[0], in[1], in[2], segments, scale_of(h));
    Cached cache{{h.kv_heads, h.dim}, {}, {}};
    const KvRun first = store_run(cache, in[1], in[2], 0, 33), second = store_run(cache, in[1], in[2], 77, 13);
    Tensors queries, expected;
    for (const int64_t i : asked) {
      const AttentionSegment& s = segments[static_cast<size_t>(i)];
      const KvRun own = store_run(cache, in[1], in[2], s.begin, s.end - s.begin);
      cache.views.push_back({s.prefix_end == 33 ? first : s.prefix_end == 90 ? second : KvRun{}, own});
      queries.push_back(in[0].narrow(0, s.end - 1, 1));
      expected.push_back(packed.narrow(0, s.end - 1, 1));
    }
    const at::Tensor q = at::cat(queries, 0);
    at::Tensor out = at::empty(q.sizes());
    const int64_t stride = h.heads * h.dim;
    attend_rows_cached(cache.layout, h.heads, static_cast<float>(scale_of(h)), q.const_data_ptr<float>(), stride,
                       cache.views, out.mutable_data_ptr<float>(), stride);
    EXPECT_TRUE(same_bits(out, at::cat(expected, 0)));
    // Every row alone, and the same with everything in its own run.
    for (size_t r = 0; r < asked.size(); ++r) {
      at::Tensor one = at::empty({1, h.heads, h.dim});
      attend_rows_cached(cache.layout, h.heads, static_cast<float>(scale_of(h)),
                         queries[r].contiguous().const_data_ptr<float>(), stride, std::span(cache.views).subspan(r, 1),
                         one.mutable_data_ptr<float>(), stride);
      EXPECT_TRUE(same_bits(one, expected[r])) << "row " << r;
    }
  }
}

TEST(AttendRowsCached, BothInstructionSetsGiveTheSameBits) {
  const Heads h{6, 2, 20};
  const Tensors in = qkv(60, h, 31);
  expect_same_bits_on_both_isas([&] {
    Cached cache{{h.kv_heads, h.dim}, {}, {}};
    const KvRun prefix = store_run(cache, in[1], in[2], 0, 21);
    for (int64_t r = 0; r < 30; ++r) cache.views.push_back({prefix, store_run(cache, in[1], in[2], 21, 1 + r)});
    const int64_t stride = h.heads * h.dim;
    at::Tensor out = at::empty({30, stride});
    attend_rows_cached(cache.layout, h.heads, 0.2f, in[0].const_data_ptr<float>(), stride, cache.views,
                       out.mutable_data_ptr<float>(), stride);
    return Tensors{out};
  });
}

}  // namespace
}  // namespace prosodia::ops
