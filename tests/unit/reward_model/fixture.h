// A random tiny model with its folder, and prompts as the reward model gets them.
#pragma once

#include <gtest/gtest.h>

#include "data/corpus/rm_row.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/model/load.h"
#include "workers/model/processor.h"
#include "workers/reward/answer_slots.h"

namespace prosodia::testing_support {

class RewardModelTest : public testing::Test {
 protected:
  RewardModelTest() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_.path()));
    write_tone(dir_ / "a.wav", 0.7);
    write_tone(dir_ / "b.wav", 1.1, 300);
    model_ = value_of(load_model(dir_.path()));
    roughen(*model_);
    processor_ = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>()));
    slots_ = value_of(AnswerSlots::find(*processor_));
  }

  Sample row(const std::string& response, const std::string& audio = "a.wav") const {
    Sample sample;
    sample.messages = rm_messages(PromptStyle::kShort, {1, "Which emotion?", response});
    sample.audios = {(dir_ / audio).string()};
    sample.origin = "row of " + response;
    return sample;
  }
  EncodedPrompt prompt(const std::string& response) const { return value_of(processor_->encode(row(response), true)); }

  TempDir dir_;
  std::shared_ptr<Model> model_;
  std::shared_ptr<const Processor> processor_;
  AnswerSlots slots_;
};

inline const std::vector<std::string> kResponses = {
    "<think>The pitch is high.</think><answer>happy</answer>",
    "<think>The pitch is low and the speech is slow.</think><answer>sad</answer>",
    "<think>The pitch is high.</think><answer>happy</answer>",  // equal ones share everything
    "",
    "nonsense <audio> \xff <|im_end|> \"factual_alignment\":5",
    "<think>The pitch is high and fast, high and fast, high and fast.</think><answer>angry</answer>"};

}  // namespace prosodia::testing_support
