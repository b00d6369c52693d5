// What the run's journal records: the facts that RunCore must not forget. Their bytes: orchestrator/coordinator/
// journal_records.h. Replaying them in order rebuilds RunCore.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

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

struct GroupScored {  // final: complete, or the best that max_reward_tries brought
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

using Record = std::variant<RunCreated, LifeStarted, InitialWeights, GateDecided, GroupSampled, GroupScored,
                            StepBatched, StepTrained, CheckpointSaved, RunComplete>;

}  // namespace prosodia::core
