// From the option table to SftOptions: of one stage, or of the sections of --stages. For `sft` and whoever trains with
// train_sft. Failure: kUsage naming the option, and the file and line in --stages.
#pragma once

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/options.h"
#include "workers/learner/sft.h"

namespace prosodia::cli {

// `command`: whose options they are, kSft or kTrainRm (which has no --stages and evaluates in its own way).
// `context.stop` is asked between steps; sink and callbacks are the caller's to set.
Result<SftOptions> sft_options(const Options& options, const CommandContext& context, uint32_t command);

}  // namespace prosodia::cli
