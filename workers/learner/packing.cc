#include "workers/learner/packing.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "data/base/check.h"

namespace prosodia {
namespace {

// Rows a response adds: its last token predicts nothing.
int64_t response_rows(const PackGroup::Response& response) {
  return std::max<int64_t>(0, static_cast<int64_t>(response.token_ids.size()) - 1);
}

int64_t piece_tokens(const PackGroup& group, int64_t begin, int64_t end) {
  int64_t tokens = group.prompt_tokens;
  for (int64_t k = begin; k < end; ++k) tokens += response_rows(group.responses[static_cast<size_t>(k)]);
  return tokens;
}

// A group as few pieces as the budget allows, in response order.
void cut_by_budget(const PackGroup& group, int64_t index, int64_t max_tokens, std::vector<GroupPiece>& pieces) {
  const auto count = static_cast<int64_t>(group.responses.size());
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1, tokens = piece_tokens(group, begin, end);
    while (end < count && tokens + response_rows(group.responses[static_cast<size_t>(end)]) <= max_tokens)
      tokens += response_rows(group.responses[static_cast<size_t>(end++)]);
    pieces.push_back({index, begin, end, tokens});
    begin = end;
  }
}

// Indices of `tokens`, longest first; ties by index.
std::vector<size_t> longest_first(std::span<const int64_t> tokens) {
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tokens[a] > tokens[b]; });
  return order;
}

// item -> rank: longest item first to the emptiest rank (LPT; at most 4/3 of the best makespan).
std::vector<int> deal(std::span<const int64_t> tokens, int num_ranks, std::vector<int64_t>& load) {
  load.assign(static_cast<size_t>(num_ranks), 0);
  std::vector<int> rank_of(tokens.size());
  for (const size_t item : longest_first(tokens)) {
    const auto rank = std::min_element(load.begin(), load.end()) - load.begin();
    rank_of[item] = static_cast<int>(rank);
    load[static_cast<size_t>(rank)] += tokens[item];
  }
  return rank_of;
}

// Items into micro-batches: longest first into the first that has room. Items come back in their own order.
std::vector<std::vector<size_t>> fill_micro_batches(std::span<const int64_t> tokens, std::span<const size_t> items,
                                                    int64_t max_tokens) {
  std::vector<int64_t> sizes;
  for (const size_t item : items) sizes.push_back(tokens[item]);
  std::vector<std::vector<size_t>> batches;
  std::vector<int64_t> room;
  for (const size_t k : longest_first(sizes)) {
    size_t b = 0;
    while (b < batches.size() && room[b] < sizes[k]) ++b;
    if (b == batches.size()) {
      batches.emplace_back();
      room.push_back(max_tokens);
    }
    batches[b].push_back(items[k]);
    room[b] -= sizes[k];
  }
  for (auto& batch : batches) std::sort(batch.begin(), batch.end());
  std::sort(batches.begin(), batches.end());
  return batches;
}

std::vector<std::vector<std::vector<size_t>>> deal_and_fill(std::span<const int64_t> tokens,
                                                            const PackOptions& options) {
  std::vector<int64_t> load;
  const std::vector<int> rank_of = deal(tokens, options.num_ranks, load);
  std::vector<std::vector<std::vector<size_t>>> plan;
  for (int rank = 0; rank < options.num_ranks; ++rank) {
    std::vector<size_t> items;
    for (size_t item = 0; item < tokens.size(); ++item)
      if (rank_of[item] == rank) items.push_back(item);
    plan.push_back(fill_micro_batches(tokens, items, options.max_tokens));
  }
  return plan;
}

std::vector<int64_t> tokens_of(const std::vector<GroupPiece>& pieces) {
  std::vector<int64_t> tokens;
  for (const auto& piece : pieces) tokens.push_back(piece.tokens);
  return tokens;
}

// Cuts the largest piece that can be cut on the fullest rank in two halves of about equal size. False when none can.
bool cut_largest_on(std::span<const PackGroup> groups, const std::vector<int>& rank_of, int rank,
                    std::vector<GroupPiece>& pieces) {
  size_t best = pieces.size();
  for (size_t p = 0; p < pieces.size(); ++p)
    if (rank_of[p] == rank && pieces[p].end - pieces[p].begin > 1 &&
        (best == pieces.size() || pieces[p].tokens > pieces[best].tokens))
      best = p;
  if (best == pieces.size()) return false;
  const GroupPiece piece = pieces[best];
  const PackGroup& group = groups[static_cast<size_t>(piece.group)];
  int64_t middle = piece.begin + 1;
  while (middle + 1 < piece.end && piece_tokens(group, piece.begin, middle) < piece_tokens(group, middle, piece.end))
    ++middle;
  pieces[best] = {piece.group, piece.begin, middle, piece_tokens(group, piece.begin, middle)};
  pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(best) + 1,
                {piece.group, middle, piece.end, piece_tokens(group, middle, piece.end)});
  return true;
}

// Cuts groups until the ranks are even enough, and keeps the best cut seen: a cut repeats a prompt, so it may not help
// until the next one.
void balance(std::span<const PackGroup> groups, const PackOptions& options, std::vector<GroupPiece>& pieces) {
  std::vector<GroupPiece> finer = pieces;
  int64_t best = std::numeric_limits<int64_t>::max();
  for (int round = 0; round < 8 * options.num_ranks; ++round) {
    std::vector<int64_t> load;
    const std::vector<int> rank_of = deal(tokens_of(finer), options.num_ranks, load);
    const auto fullest = std::max_element(load.begin(), load.end());
    if (*fullest < best) {
      best = *fullest;
      pieces = finer;
    }
    const double mean = static_cast<double>(std::accumulate(load.begin(), load.end(), int64_t{0})) / options.num_ranks;
    if (static_cast<double>(*fullest) <= options.imbalance * mean) return;
    if (!cut_largest_on(groups, rank_of, static_cast<int>(fullest - load.begin()), finer)) return;
  }
}

void append_rows(MicroBatch& out, std::span<const int32_t> token_ids, int64_t first_position) {
  for (size_t i = 0; i < token_ids.size(); ++i) {
    out.batch.token_ids.push_back(token_ids[i]);
    out.batch.positions.push_back(first_position + static_cast<int64_t>(i));
  }
}

void append_clips(MicroBatch& out, const EncodedPrompt& prompt) {
  for (const auto& clip : prompt.clips) {
    out.batch.clips.push_back(clip.get());
    out.owners.push_back(clip);
  }
}

void append_response(MicroBatch& out, const PackGroup::Response& response, int64_t prompt_begin, int64_t prompt_end) {
  const auto tokens = response.token_ids;
  const int64_t begin = out.num_tokens();
  for (size_t j = 0; j < tokens.size(); ++j) {
    out.hidden_rows.push_back(j == 0 ? prompt_end - 1 : begin + static_cast<int64_t>(j) - 1);
    out.targets.push_back(tokens[j]);
  }
  if (tokens.size() > 1) {
    append_rows(out, tokens.first(tokens.size() - 1), prompt_end - prompt_begin);
    out.batch.segments.push_back({begin, out.num_tokens(), prompt_begin, prompt_end, true});
  }
  out.offsets.push_back(static_cast<int64_t>(out.targets.size()));
  out.sequences.push_back(response.sequence);
}

}  // namespace

PackPlan plan_packing(std::span<const PackGroup> groups, const PackOptions& options) {
  PROSODIA_CHECK(options.max_tokens > 0 && options.num_ranks > 0, "budget {}, ranks {}", options.max_tokens,
                 options.num_ranks);
  std::vector<GroupPiece> pieces;
  for (size_t g = 0; g < groups.size(); ++g)
    cut_by_budget(groups[g], static_cast<int64_t>(g), options.max_tokens, pieces);
  balance(groups, options, pieces);
  PackPlan plan;
  for (const auto& rank : deal_and_fill(tokens_of(pieces), options)) {
    plan.emplace_back();
    for (const auto& batch : rank) {
      plan.back().emplace_back();
      for (const size_t item : batch) plan.back().back().push_back(pieces[item]);
    }
  }
  return plan;
}

MicroBatch pack(std::span<const PackGroup> groups, std::span<const GroupPiece> pieces) {
  MicroBatch out;
  out.offsets.push_back(0);
  for (const GroupPiece& piece : pieces) {
    const PackGroup& group = groups[static_cast<size_t>(piece.group)];
    PROSODIA_CHECK(group.prompt && static_cast<int64_t>(group.prompt->token_ids.size()) == group.prompt_tokens,
                   "group {}", piece.group);
    const int64_t begin = out.num_tokens();
    append_rows(out, group.prompt->token_ids, 0);
    append_clips(out, *group.prompt);
    const int64_t end = out.num_tokens();
    out.batch.segments.push_back({begin, end, 0, 0, true});
    for (int64_t k = piece.begin; k < piece.end; ++k)
      append_response(out, group.responses[static_cast<size_t>(k)], begin, end);
  }
  return out;
}

MicroBatch pack_conversations(std::span<const EncodedPrompt* const> conversations, std::span<const int64_t> sequences) {
  MicroBatch out;
  out.offsets.push_back(0);
  for (const int64_t index : sequences) {
    const EncodedPrompt& conversation = *conversations[static_cast<size_t>(index)];
    const auto& mask = conversation.assistant_mask;
    PROSODIA_CHECK(mask.size() == conversation.token_ids.size(), "conversation {}", index);
    size_t rows = 0;  // up to the row that predicts the last kept token
    for (size_t t = 1; t < mask.size(); ++t)
      if (mask[t]) rows = t;
    const int64_t begin = out.num_tokens();
    if (rows > 0) {
      append_rows(out, std::span(conversation.token_ids).first(rows), 0);
      append_clips(out, conversation);
      out.batch.segments.push_back({begin, out.num_tokens(), 0, 0, true});
    }
    for (size_t t = 1; t <= rows; ++t) {
      if (!mask[t]) continue;
      out.hidden_rows.push_back(begin + static_cast<int64_t>(t) - 1);
      out.targets.push_back(conversation.token_ids[t]);
    }
    out.offsets.push_back(static_cast<int64_t>(out.targets.size()));
    out.sequences.push_back(index);
  }
  return out;
}

std::vector<std::vector<std::vector<int64_t>>> plan_conversations(std::span<const int64_t> lengths,
                                                                  const PackOptions& options) {
  std::vector<std::vector<std::vector<int64_t>>> plan;
  for (const auto& rank : deal_and_fill(lengths, options)) {
    plan.emplace_back();
    for (const auto& batch : rank) plan.back().emplace_back(batch.begin(), batch.end());
  }
  return plan;
}

}  // namespace prosodia
