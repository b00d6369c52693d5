// `infer` and `score` over a dataset: rows in, JSON rows out, in input order.
//
// Callers: the CLI and eval. Thread rule: single thread. Failure rule: the first bad row or failing callback ends the
// run with its error, which names the row's file and line; rows already handed out are complete. A stop flag that
// becomes true ends it with kInterrupted between two tokens.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/dataset.h"
#include "workers/rollout/engine.h"

namespace prosodia {

struct InferOptions {
  SamplingParams sampling;  // stop_ids and suppressed_ids are filled in when empty
  EngineOptions engine;
  int num_generations = 1;
  uint64_t seed = 0;                        // row i samples with mix_seed(seed, i): independent of the other rows
  size_t first_row = 0, row_stride = 1;     // rows first_row, first_row + row_stride, …: to go on, to share the work
  const std::atomic<bool>* stop = nullptr;  // not owned
};

struct ScoreOptions {
  double temperature = 1.0;
  int64_t max_batch_tokens = 4096;          // packed tokens in one forward
  const std::atomic<bool>* stop = nullptr;  // not owned
};

// Fills in stop_ids and suppressed_ids when they are empty: the model's own.
SamplingParams complete_sampling(SamplingParams params, const ModelConfig& config, const Processor& processor);

// Receives output row `index` (position in the dataset), ascending.
using RowSink = std::function<Status(size_t index, nlohmann::json row)>;

// Adds `completions`: [{"text","token_ids","logprobs","finish_reason"}] to each row; a trailing assistant turn is
// ignored.
Status infer(const Model& model, const Processor& processor, const std::vector<Sample>& samples,
             const InferOptions& options, const RowSink& sink);

// One row, watched while it is sampled: `sink` gets each response's text in pieces of complete UTF-8, first all of
// response 0, then of response 1, …; the pieces of a response concatenated are its "text". Returns the row as infer()
// would, for the same seed the same (this is row 0).
using TextSink = std::function<Status(int generation, std::string_view text)>;
Result<nlohmann::json> stream(const Model& model, const Processor& processor, const Sample& sample,
                              const InferOptions& options, const TextSink& sink);

// The last assistant turn is the response; adds its `token_ids` (<|im_end|> included) and `logprobs`.
Status score(const Model& model, const Processor& processor, const std::vector<Sample>& samples,
             const ScoreOptions& options, const RowSink& sink);

}  // namespace prosodia
