#include "workers/learner/packing.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "data/base/philox.h"

namespace prosodia {
namespace {

// Groups with token ids that say where they come from: prompt g: 1000 g + i; response k of it: 1000 g + 100 (k+1) + j.
struct Groups {
  std::vector<EncodedPrompt> prompts;
  std::vector<std::vector<std::vector<int32_t>>> tokens;
  std::vector<PackGroup> groups;

  Groups(uint64_t seed, int count, int max_responses, int max_length) {
    PhiloxStream random(seed);
    prompts.resize(static_cast<size_t>(count));
    tokens.resize(static_cast<size_t>(count));
    int64_t sequence = 0;
    for (int g = 0; g < count; ++g) {
      auto& prompt = prompts[static_cast<size_t>(g)];
      prompt.token_ids.resize(1 + random.next_below(20));
      std::iota(prompt.token_ids.begin(), prompt.token_ids.end(), 1000 * g);
      auto& responses = tokens[static_cast<size_t>(g)];
      responses.resize(1 + random.next_below(static_cast<uint32_t>(max_responses)));
      for (size_t k = 0; k < responses.size(); ++k) {
        responses[k].resize(random.next_below(static_cast<uint32_t>(max_length) + 1));  // may be empty
        std::iota(responses[k].begin(), responses[k].end(), 1000 * g + 100 * (static_cast<int>(k) + 1));
      }
      PackGroup group{static_cast<int64_t>(prompt.token_ids.size()), nullptr, {}};
      for (auto& response : responses) group.responses.push_back({response, sequence++});
      groups.push_back(std::move(group));
    }
    for (size_t g = 0; g < groups.size(); ++g) groups[g].prompt = &prompts[g];
  }
};

const ops::AttentionSegment& segment_of(const MicroBatch& batch, int64_t row) {
  for (const auto& segment : batch.batch.segments)
    if (row >= segment.begin && row < segment.end) return segment;
  ADD_FAILURE() << "row " << row << " is in no segment";
  return batch.batch.segments.front();
}

// The tokens that `row` sees, in order: the context of what it predicts.
std::vector<int64_t> context_of(const MicroBatch& batch, int64_t row) {
  const auto& segment = segment_of(batch, row);
  std::vector<int64_t> context(batch.batch.token_ids.begin() + segment.prefix_begin,
                               batch.batch.token_ids.begin() + segment.prefix_end);
  context.insert(context.end(), batch.batch.token_ids.begin() + segment.begin, batch.batch.token_ids.begin() + row + 1);
  return context;
}

TEST(Packing, EveryTokenIsPredictedOnceFromItsWholeContext) {
  for (const int ranks : {1, 2, 3, 5}) {
    const Groups data(static_cast<uint64_t>(ranks), 7, 6, 30);
    const PackOptions options{64, ranks, 1.1};
    const PackPlan plan = plan_packing(data.groups, options);
    ASSERT_EQ(plan.size(), static_cast<size_t>(ranks));
    std::map<int64_t, int> seen;
    for (const auto& rank : plan) {
      for (const auto& pieces : rank) {
        const MicroBatch batch = pack(data.groups, pieces);
        if (pieces.size() > 1) {
          EXPECT_LE(batch.num_tokens(), options.max_tokens);
        }
        for (size_t s = 0; s < batch.sequences.size(); ++s) {
          ++seen[batch.sequences[s]];
          for (int64_t r = batch.offsets[s]; r < batch.offsets[s + 1]; ++r) {
            const int64_t row = batch.hidden_rows[static_cast<size_t>(r)],
                          target = batch.targets[static_cast<size_t>(r)];
            const auto g = static_cast<size_t>(target / 1000), k = static_cast<size_t>(target % 1000 / 100 - 1);
            std::vector<int64_t> want(data.prompts[g].token_ids.begin(), data.prompts[g].token_ids.end());
            want.insert(want.end(), data.tokens[g][k].begin(), data.tokens[g][k].begin() + (r - batch.offsets[s]));
            EXPECT_EQ(target, data.tokens[g][k][static_cast<size_t>(r - batch.offsets[s])]);
            EXPECT_EQ(context_of(batch, row), want);
            EXPECT_EQ(batch.batch.positions[static_cast<size_t>(row)], static_cast<int64_t>(want.size()) - 1);
          }
        }
      }
    }
    int64_t sequences = 0;
    for (const auto& group : data.groups) sequences += static_cast<int64_t>(group.responses.size());
    EXPECT_EQ(static_cast<int64_t>(seen.size()), sequences);
    for (const auto& [sequence, times] : seen) EXPECT_EQ(times, 1) << sequence;
  }
}

TEST(Packing, ThePromptRunsOncePerGroup) {
  const Groups data(3, 1, 1, 1);
  PackGroup group = data.groups[0];
  std::vector<int32_t> response(50, 7);
  group.responses.assign(8, {response, 0});
  const std::vector<PackGroup> groups = {group};
  const PackPlan plan = plan_packing(groups, {4096, 1, 1.1});
  ASSERT_EQ(plan[0].size(), 1u);
  EXPECT_EQ(pack(groups, plan[0][0]).num_tokens(), group.prompt_tokens + 8 * 49);
}

int64_t load_of(const std::vector<std::vector<GroupPiece>>& rank) {
  int64_t tokens = 0;
  for (const auto& batch : rank)
    for (const auto& piece : batch) tokens += piece.tokens;
  return tokens;
}

TEST(Packing, BalancesAnyNumberOfGroupsOverAnyNumberOfRanks) {
  std::vector<int32_t> response(41, 7);
  for (const int count : {1, 2, 3, 16}) {
    for (const int ranks : {2, 3, 4}) {
      EncodedPrompt prompt;
      prompt.token_ids.assign(20, 1);
      std::vector<PackGroup> groups(static_cast<size_t>(count), PackGroup{20, &prompt, {}});
      for (auto& group : groups) group.responses.assign(8, {response, 0});
      const PackPlan plan = plan_packing(groups, {100'000, ranks, 1.1});
      int64_t fullest = 0, total = 0;
      for (const auto& rank : plan) fullest = std::max(fullest, load_of(rank)), total += load_of(rank);
      EXPECT_LE(static_cast<double>(fullest), 1.25 * static_cast<double>(total) / ranks) << count << " on " << ranks;
    }
  }
}

TEST(Packing, IsDeterministic) {
  const Groups data(11, 9, 5, 25);
  const auto a = plan_packing(data.groups, {60, 3, 1.1}), b = plan_packing(data.groups, {60, 3, 1.1});
  ASSERT_EQ(a.size(), b.size());
  for (size_t r = 0; r < a.size(); ++r)
    for (size_t m = 0; m < a[r].size(); ++m)
      EXPECT_EQ(pack(data.groups, a[r][m]).targets, pack(data.groups, b[r][m]).targets);
}

TEST(Packing, ConversationsPredictAssistantTokensOnly) {
  EncodedPrompt first, second, silent;
  first.token_ids = {10, 11, 12, 13, 14, 15};
  first.assistant_mask = {0, 0, 1, 1, 0, 0};
  second.token_ids = {20, 21, 22};
  second.assistant_mask = {1, 0, 1};  // the first token is never predicted
  silent.token_ids = {30, 31};
  silent.assistant_mask = {0, 0};
  const std::vector<const EncodedPrompt*> all = {&first, &silent, &second};
  const MicroBatch batch = pack_conversations(all, std::vector<int64_t>{0, 1, 2});
  EXPECT_EQ(batch.batch.token_ids, (std::vector<int64_t>{10, 11, 12, 20, 21}));
  EXPECT_EQ(batch.batch.positions, (std::vector<int64_t>{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.hidden_rows, (std::vector<int64_t>{1, 2, 4}));
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{12, 13, 22}));
  EXPECT_EQ(batch.offsets, (std::vector<int64_t>{0, 2, 2, 3}));
}

TEST(Packing, ConversationPlanCoversEveryIndexWithinTheBudget) {
  const std::vector<int64_t> lengths = {5, 90, 30, 30, 41, 7, 7, 7};
  const auto plan = plan_conversations(lengths, {64, 2, 1.1});
  std::vector<int> seen(lengths.size());
  for (const auto& rank : plan)
    for (const auto& batch : rank) {
      int64_t tokens = 0;
      for (const int64_t index : batch)
        ++seen[static_cast<size_t>(index)], tokens += lengths[static_cast<size_t>(index)];
      EXPECT_TRUE(tokens <= 64 || batch.size() == 1);
    }
  EXPECT_EQ(seen, std::vector<int>(lengths.size(), 1));
}

}  // namespace
}  // namespace prosodia
