#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

// Per-range at::conv1d, concatenated.
at::Tensor reference(const Tensors& in, int64_t stride, int64_t pad, const std::vector<RowRange>& ranges) {
  Tensors parts;
  for (const RowRange& r : ranges)
    parts.push_back(at::conv1d(in[0].narrow(0, r.begin, r.end - r.begin).t().unsqueeze(0), in[1], in[2], stride, pad)
                        .squeeze(0)
                        .t());
  return at::cat(parts, 0);
}

const std::vector<RowRange> kRanges = {{0, 20}, {20, 23}, {23, 60}, {60, 61}};

TEST(Conv1d, MatchesFp64OverRanges) {
  for (const int64_t stride : {1, 2})
    expect_matches([&](const Tensors& in) { return ops::conv1d(in[0], in[1], in[2], stride, 1, kRanges); },
                   [&](const Tensors& in) { return reference(in, stride, 1, kRanges); },
                   {randn({61, 13}, 1), randn({18, 13, 3}, 2), randn({18}, 3)});
}

TEST(Conv1d, WholeInputFormAndOtherKernels) {
  expect_matches([](const Tensors& in) { return ops::conv1d(in[0], in[1], std::nullopt, 3, 2); },
                 [](const Tensors& in) { return at::conv1d(in[0].t().unsqueeze(0), in[1], {}, 3, 2).squeeze(0).t(); },
                 {randn({30, 4}, 1), randn({5, 4, 5}, 2)});
}

TEST(Conv1d, BitsOfAChunkDoNotDependOnTheOthers) {
  const at::Tensor x = randn({61, 13}, 1), w = randn({18, 13, 3}, 2), b = randn({18}, 3);
  const at::Tensor all = ops::conv1d(x, w, b, 2, 1, kRanges);
  int64_t row = 0;
  for (const RowRange& r : kRanges) {
    const at::Tensor alone = ops::conv1d(x.narrow(0, r.begin, r.end - r.begin), w, b, 2, 1);
    EXPECT_TRUE(same_bits(alone, all.narrow(0, row, alone.size(0))));
    row += alone.size(0);
  }
  EXPECT_EQ(row, all.size(0));
}

TEST(AvgPoolPairs, DropsTheOddLastRowOfEveryRange) {
  const auto pooled = [](const Tensors& in) {
    Tensors parts;
    for (const RowRange& r : kRanges)
      if (r.end - r.begin > 1)
        parts.push_back(
            at::avg_pool1d(in[0].narrow(0, r.begin, r.end - r.begin).t().unsqueeze(0), 2, 2).squeeze(0).t());
    return at::cat(parts, 0);
  };
  expect_matches([](const Tensors& in) { return ops::avg_pool_pairs(in[0], kRanges); }, pooled, {randn({61, 7}, 1)},
                 1e-6);
  EXPECT_EQ(ops::avg_pool_pairs(randn({7, 2}, 1)).size(0), 3);
}

}  // namespace
}  // namespace prosodia::ops
