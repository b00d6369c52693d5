// RmGrader: four grades for each of several prompts that share their audio, by a reward model.
//
// What all prompts begin with (instruction, audio, question) runs once, audio encoded once a clip; the rest of each
// attends to it. Then the answer is decoded for all at once: its template is forced, at each of the four slots the
// distribution over "1" … "5" is read, and the likeliest digit goes on as context. On CPU a prompt's grades are the
// same bits alone and in any company.
//
//   digits hold less than min_digit_mass at a slot    kUnparsable, naming slot and mass
//   a logit is not finite                             kError
//   prompt and answer exceed the model's positions    kError, naming the lengths; nothing is cut
//   `stop` was requested                              kTimeout for all prompts not finished
//
// Called by ModelScorer and rm_evaluation. Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "reward/reasoning_scorer.h"
#include "workers/model/processor.h"
#include "workers/reward/answer_slots.h"
#include "workers/rollout/engine.h"

namespace prosodia {

enum class RmScore : uint8_t {
  kExpected,  // sum of d p(d) / sum of p(d)
  kArgmax,    // the likeliest digit; the lowest wins ties
};

struct RmGraderOptions {
  RmScore score = RmScore::kExpected;  // --rm_score
  double min_digit_mass = 0.5;         // --rm_min_digit_mass, [0, 1]
  int max_rows = 64;                   // prompts decoded at once; does not change any grade
  int64_t max_prefill_tokens = 8192;   // of one forward; a longer prompt runs alone
  EngineBackend backend = EngineBackend::kAuto;
};

// What a slot says: probabilities under the whole vocabulary.
struct SlotReading {
  bool finite = false;  // all logits
  double digit_mass = 0, expected = 0;
  int likeliest = kMinRmScore;
};
SlotReading read_slot(std::span<const float> logits_V, std::span<const int32_t> digit_ids);

class RmGrader {
 public:
  // `model` must outlive this and not change.
  RmGrader(const Model& model, AnswerSlots slots, const RmGraderOptions& options);
  ~RmGrader();

  // `prompts` end where the answer begins (Processor::encode with a generation prompt) and hold the same clips.
  std::vector<ReasoningScore> grade(std::span<const EncodedPrompt* const> prompts, const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Samples about the same clips, each ending where the answer begins. One that cannot be encoded is scored as an error
// that says why.
std::vector<ReasoningScore> grade_samples(RmGrader& grader, const Processor& processor, std::span<const Sample> samples,
                                          const std::stop_token& stop);

}  // namespace prosodia
