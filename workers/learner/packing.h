// Packs training sequences into micro-batches under a token budget and deals them out to ranks.
//
// A group's prompt (with its audio) runs once; its K responses follow as segments that attend to it:
//   [prompt 0..P)  [response 0 without its last token]  [response 1 without its last token] …
// A response's first token is predicted by the prompt's last row, token j by the row of token j - 1; the last token
// predicts nothing, so it is not run. A conversation (SFT) is one segment, cut after the last row that predicts.
//
// Callers: grpo_step, sft. Pure and deterministic: every rank computes the same plan and keeps its own part. Any number
// of groups, responses and ranks works; a group larger than the budget, or needed to balance the ranks, is cut into
// pieces that repeat its prompt; a single response larger than the budget goes alone. Thread-safe.
// Failure rule: empty prompts and clips that do not match are the caller's invariants and abort.
// Shapes: T tokens run in a micro-batch, R predicted tokens, S sequences (responses or conversations).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workers/model/model.h"
#include "workers/model/processor.h"

namespace prosodia {

struct MicroBatch {
  PackedBatch batch;                 // T tokens; `clips` point into `owners`
  std::vector<int64_t> hidden_rows;  // [R] the row of hidden() that predicts each target
  std::vector<int64_t> targets;      // [R] token ids
  std::vector<int64_t> offsets;      // [S + 1] rows of each sequence
  std::vector<int64_t> sequences;    // [S] the caller's index of each sequence
  std::vector<std::shared_ptr<const LogMel>> owners;
  int64_t num_tokens() const { return static_cast<int64_t>(batch.token_ids.size()); }
};

// One prompt's responses. Only those that take part in the loss are listed.
struct PackGroup {
  struct Response {
    std::span<const int32_t> token_ids;  // not owned; may be empty (then it has no rows)
    int64_t sequence = 0;                // the caller's index, copied into MicroBatch::sequences
  };
  int64_t prompt_tokens = 0;              // > 0; all that plan_packing reads of the prompt
  const EncodedPrompt* prompt = nullptr;  // not owned; only pack() reads it, so a rank encodes only its own prompts
  std::vector<Response> responses;
};

// A part of one group: responses [begin, end).
struct GroupPiece {
  int64_t group = 0, begin = 0, end = 0;
  int64_t tokens = 0;  // rows it runs: prompt + responses without their last tokens
};

struct PackOptions {
  int64_t max_tokens = 8192;  // rows a micro-batch runs, > 0
  int num_ranks = 1;          // > 0
  double imbalance = 1.1;     // a group is cut further only while the fullest rank exceeds this multiple of the mean
};

// plan[rank][micro-batch] = pieces. Every piece of every group is in exactly one micro-batch.
using PackPlan = std::vector<std::vector<std::vector<GroupPiece>>>;
PackPlan plan_packing(std::span<const PackGroup> groups, const PackOptions& options);
MicroBatch pack(std::span<const PackGroup> groups, std::span<const GroupPiece> pieces);

// Supervised: predicts the tokens whose assistant_mask is 1 (never the first token). `sequences` are the indices of
// `conversations`. A conversation without a masked token has no rows and is not run.
MicroBatch pack_conversations(std::span<const EncodedPrompt* const> conversations, std::span<const int64_t> sequences);
// Cuts [0, lengths.size()) into ranks, then micro-batches: longest first to the emptiest rank. Deterministic.
std::vector<std::vector<std::vector<int64_t>>> plan_conversations(std::span<const int64_t> lengths,
                                                                  const PackOptions& options);

}  // namespace prosodia
