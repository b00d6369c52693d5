// The four roles of a run, wired from its config.ini: as processes of their own (coordinator, learner, rollout, reward)
// or as ranks of one mpirun.
#pragma once

#include "data/base/status.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/options.h"
#include "orchestrator/launch/layout.h"
#include "orchestrator/launch/mpi_world.h"
#include "reward/group_reward.h"
#include "workers/learner/learner.h"

namespace prosodia::cli {

// Reward weights and trust, validated.
Result<RewardOptions> reward_options(const Options& options);

// What the learner of the run `options` describe is started with; `replay` starts from the same.
Result<LearnerOptions> learner_options(const Options& options, std::atomic<bool>& stop);

// This rank's role inside one mpirun. Collective: every rank calls it. A failing role ends the whole job.
Result<int> run_mpi_role(const Options& options, const CommandContext& context, launch::MpiWorld& world,
                         const launch::Placement& placement);

// Prints the digest of a finished run and where its results are. False: the run is not finished.
Result<bool> report_if_complete(const Options& options);

}  // namespace prosodia::cli
