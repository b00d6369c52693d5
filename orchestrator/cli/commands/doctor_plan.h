// prosodia doctor --plan. See workers/plan/memory_plan.h.
#pragma once

#include "data/base/status.h"
#include "orchestrator/cli/options.h"
#include "workers/plan/memory_plan.h"

namespace prosodia::cli {

// Prints bytes per process, per host and per device for --model under the options.
Result<int> print_memory_plan(const Options& options);

// The same for what `train` was given, a line a process: what its --dry_run says. Prompts are as long as said.
Status print_memory_of_run(const Options& train, int64_t prompt_tokens, double audio_seconds);

// Whether this build can train that way; plans of the rest are arithmetic.
bool is_available(const MemoryRequest& request);

}  // namespace prosodia::cli
