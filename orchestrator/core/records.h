// What the run's journal records: the facts that RunCore must not forget. Their bytes: orchestrator/coordinator/
// journal_records.h. Replaying them in order rebuilds RunCore; replaying is idempotent: records of steps that a fold
// stands for are skipped.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::core {

// The first record. A rerun must agree with every field, else it would not be the same run.
struct RunCreated {
  uint32_t format = 1;
  RunId run_id;
  Digest config_digest;
  Digest dataset_digest;
  uint64_t seed = 0;
  uint32_t prompts_per_step = 0;
  uint32_t num_generations = 0;
  uint32_t lag = 0;
};

struct LifeStarted {  // a coordinator process took over; lease ids of this life begin with it
  uint64_t life = 0;
};

struct InitialWeights {  // digest of version 0, as the first learner announced it
  Digest digest;
};

struct GateDecided {  // before the first lease of the step
  StepId step;
  double gate = 0;
};

struct GroupSampled {
  protocol::RolloutResult result;
  std::string worker;
};

struct GroupScored {  // final: complete, or as far as another try may bring it, or the best of max_reward_tries
  protocol::RewardResult result;
  uint32_t tries = 1;
  std::string worker;
};

struct StepBatched {  // before the batch is sent to the learner for the first time
  StepId step;
  Digest batch_digest;
};

// Wall time of a step's phases in seconds; they overlap when lag > 0.
struct StepTimes {
  double rollout = 0;  // first rollout lease to last group sampled
  double reward = 0;   // first reward lease to last group scored
  double train = 0;    // batch sent to StepDone
  double wait = 0;     // learner idle before the batch was ready
  double step = 0;     // since the step before was done
};

struct StepTrained {
  protocol::StepDone done;
  Digest run_digest;  // H_{t+1}
  StepTimes times;
};

struct CheckpointSaved {
  PolicyVersion version;
  std::string path;
};

struct RunComplete {  // success is this record, not an exit code
  uint64_t steps = 0;
  Digest run_digest;
};

// What remains of a trained step once its groups are released.
struct FoldedStep {
  Digest batch_digest;
  Digest weights_digest;
  double loss = 0;
  double gate = 0;
  double accuracy = 0;
  uint64_t num_tokens = 0;  // prompt and completion tokens trained on
  Digest run_digest;        // H_{t+1}
  StepTimes times;
};

// Stands for the retired records of steps [first, first + steps.size()); only in a snapshot, after RunCreated.
struct StepsFolded {
  StepId first;
  std::vector<FoldedStep> steps;
};

using Record = std::variant<RunCreated, LifeStarted, InitialWeights, GateDecided, GroupSampled, GroupScored,
                            StepBatched, StepTrained, CheckpointSaved, RunComplete, StepsFolded>;

}  // namespace prosodia::core
