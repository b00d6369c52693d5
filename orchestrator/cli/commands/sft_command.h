// What `sft` and `train-rm` share: supervised training in one process or on --nproc_per_node ranks under mpirun.
#pragma once

#include <functional>

#include "data/base/status.h"
#include "orchestrator/cli/commands/command.h"
#include "workers/learner/sft.h"

namespace prosodia::cli {

struct SupervisedCommand {
  const char* name = "sft";  // the command's word
  uint32_t bit = kSft;       // its options
  // On every rank, before the first step; the same error everywhere, or none.
  std::function<Status(SftOptions&, Collective&)> prepare = {};
  // On every rank, after output_dir holds the model.
  std::function<Status(const SftOptions&, const SftReport&, Collective&)> finish = {};
};

Result<int> run_supervised(const Options& options, const CommandContext& context, const SupervisedCommand& command);

}  // namespace prosodia::cli
