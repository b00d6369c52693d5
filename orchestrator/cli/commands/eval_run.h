// Responses to the rows of a set on all cores: several engines share the rows, each with its own part of --max_rows.
// Which engine takes a row changes nothing (a token depends on weights, prompt, seed, row and position alone).
//
// Caller: eval_command.cc. The sink is called on the caller's thread, in the order of the rows. Failure rule: as
// infer(); the first error or a stop ends all engines, rows handed on before it are complete.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/corpus/dataset.h"
#include "orchestrator/cli/commands/model_options.h"
#include "workers/rollout/generate.h"

namespace prosodia::cli {

struct EvalWork {
  const LoadedModel& model;
  InferOptions infer;   // first_row: rows before it are done
  int num_engines = 1;  // threads
};
using ResponseSink = std::function<Status(size_t row, const std::string& response)>;
Status respond(const EvalWork& work, const std::vector<Sample>& samples, const ResponseSink& sink);

// Engines for --num_threads: one a thread while each engine's own packed copy of the weights is small; else one engine
// whose operators use all threads. Sets torch's thread count accordingly.
int choose_engines(const LoadedModel& model, int num_threads);

}  // namespace prosodia::cli
