// Coordinator options from the option table.
#pragma once

#include "data/base/status.h"
#include "orchestrator/cli/options.h"
#include "orchestrator/coordinator/coordinator.h"

namespace prosodia::cli {

// Reads the dataset too: its rows, with absolute audio references, are what leases carry.
core::PlanOptions plan_options(const Options& options);  // num_rows is left at 0
Result<CoordinatorOptions> coordinator_options(const Options& options);

}  // namespace prosodia::cli
