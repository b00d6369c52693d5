// The run folder's config.ini: written when a run is created, read by every role, compared when a run is resumed.
#pragma once

#include <filesystem>

#include "orchestrator/cli/options.h"

namespace prosodia::cli {

// Makes paths absolute and fills in what depends on the machine, so that every process reads the same values.
Result<Options> resolve_run_options(Options options);

// Creates the run folder and config.ini, or compares with the one that is there: kUsage naming the options that would
// change the result of a run that has begun. Options that do not affect results may change; the file is then rewritten.
Status prepare_run_folder(const Options& options);

// Identity of the run's results: options that affect them, and the dataset's contents. Every role computes
// it from config.ini; the coordinator refuses peers whose digest differs.
Result<Digest> run_digest_of_config(const Options& options);

}  // namespace prosodia::cli
