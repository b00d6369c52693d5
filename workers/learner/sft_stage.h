// One stage of an SFT run with what was read for it: its data, evaluation set and schedule; and the checks of options.
// Caller: sft.cc. One thread at a time. Failure rule: kUsage naming the option, kInvalidInput naming file and line.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "workers/learner/sft_data.h"
#include "workers/learner/sft_eval.h"
#include "workers/learner/sft_identity.h"

namespace prosodia {

// The run's stages: options.stages, or the options themselves as the only one.
std::span<const SftStage> stages_of(const SftOptions& options);
// kUsage, naming the option and the stage.
Status validate_sft(const SftOptions& options);

struct SftInputs {  // all must outlive the stages
  const Processor& processor;
  AudioStore& audio;
  int64_t max_length = 0;
  Collective& collective;
};

class OpenStage {
 public:
  static Result<OpenStage> open(const SftStage& options, uint64_t seed, const SftInputs& inputs);

  const SftStage& options() const { return *options_; }
  const SftStageFacts& facts() const { return facts_; }
  SftData& data() { return *data_; }
  const SftEvalSet* eval_set() const { return eval_set_.get(); }  // null: none

  double learning_rate(int64_t stage_step) const;  // of the step that begins after `stage_step`
  double epochs(int64_t stage_step) const;         // samples seen / rows
  // After `stage_step` steps; `anyone_else`: somebody wants evaluations although there is no set.
  bool evaluation_due(int64_t stage_step, bool anyone_else) const;
  std::string announcement(int64_t index, size_t num_stages, int64_t stage_step) const;

 private:
  const SftStage* options_ = nullptr;
  std::unique_ptr<SftData> data_;
  std::unique_ptr<SftEvalSet> eval_set_;
  SftStageFacts facts_;
};

}  // namespace prosodia
