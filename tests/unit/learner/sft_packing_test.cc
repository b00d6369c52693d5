// Packing of conversations: several in one forward, none sees another, the same bits; loss and gradient of an
// accumulated batch are those of the undivided one.
#include <ATen/ATen.h>

#include "tests/unit/learner/sft_test_support.h"
#include "workers/learner/forward.h"
#include "workers/learner/sft_data.h"
#include "workers/learner/trainable.h"

namespace prosodia {
namespace {

using namespace testing_support;

class SftPacking : public SftTest {
 protected:
  SftPacking()
      : processor_(value_of(Processor::load(dir_ / "model", std::make_shared<AudioStore>()))),
        model_(value_of(load_model(dir_ / "model"))) {
    for (const Sample& sample : value_of(read_conversations(dir_ / "train.jsonl")))
      conversations_.push_back(value_of(encode_conversation(*processor_, sample, 1000)));
  }
  MicroBatch packed(std::vector<int64_t> rows) const {
    std::vector<const EncodedPrompt*> pointers;
    for (const EncodedPrompt& one : conversations_) pointers.push_back(&one);
    return pack_conversations(pointers, rows);
  }
  std::vector<float> logprobs(const MicroBatch& batch) const {
    const at::NoGradGuard no_grad;
    const at::Tensor values = micro_batch_logprobs(*model_, batch, 1.0, false, nullptr).logprobs.contiguous();
    return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
  }
  // Loss and gradient of all conversations in these micro-batches.
  std::pair<double, at::Tensor> gradient(const std::vector<std::vector<int64_t>>& micro_batches) {
    const PolicyWeights weights = value_of(select_trainable(*model_, {}));
    AdamW optimizer(weights.changing(), {}, *ranks_);
    optimizer.zero_grad();
    double kept = 0, loss = 0;
    for (const auto& rows : micro_batches) kept += static_cast<double>(packed(rows).targets.size());
    for (const auto& rows : micro_batches) {
      const at::Tensor sum = -micro_batch_logprobs(*model_, packed(rows), 1.0, false, nullptr).logprobs.sum();
      (sum / kept).backward();
      loss += sum.item<double>() / kept;
    }
    return {loss, optimizer.gradients().clone()};
  }

  std::unique_ptr<Processor> processor_;
  std::shared_ptr<Model> model_;
  std::vector<EncodedPrompt> conversations_;
};

TEST_F(SftPacking, OneForwardOfManyGivesTheBitsOfEachAlone) {
  const MicroBatch all = packed({0, 1, 2, 3, 4, 5});
  ASSERT_EQ(all.batch.segments.size(), 6u) << "six conversations in one forward";
  const std::vector<float> together = logprobs(all);
  for (int64_t row = 0; row < 6; ++row) {
    const auto index = static_cast<size_t>(row);
    const std::vector<float> alone = logprobs(packed({row}));
    const std::vector<float> part(together.begin() + all.offsets[index], together.begin() + all.offsets[index + 1]);
    EXPECT_EQ(part, alone) << "conversation " << row;
  }
}

// The neighbour's tokens do not matter at all, nor does its place.
TEST_F(SftPacking, NoConversationSeesItsNeighbour) {
  const MicroBatch pair = packed({0, 3});
  MicroBatch other = pair;
  const auto& second = other.batch.segments[1];
  for (int64_t t = second.begin; t < second.end; ++t) {
    int64_t& id = other.batch.token_ids[static_cast<size_t>(t)];
    if (id > 4 && id < 200) id = (id + 7) % 190 + 5;  // audio placeholders stay
  }
  ASSERT_NE(other.batch.token_ids, pair.batch.token_ids);
  const auto before = logprobs(pair), after = logprobs(other), swapped = logprobs(packed({3, 0}));
  const auto split = static_cast<size_t>(pair.offsets[1]);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + pair.offsets[1], after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + pair.offsets[1], before.end(), after.begin() + pair.offsets[1]))
      << "the changed one changes";
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + pair.offsets[1], swapped.end() - pair.offsets[1])) << split;
}

TEST_F(SftPacking, AccumulationIsTheUndividedBatch) {
  const auto [whole_loss, whole] = gradient({{0, 1, 2, 3, 4, 5}});
  const auto [parts_loss, parts] = gradient({{0, 4}, {1}, {2, 3, 5}});
  EXPECT_NEAR(parts_loss, whole_loss, 1e-6 * whole_loss);
  EXPECT_LE((parts - whole).norm().item<double>(), 1e-6 * whole.norm().item<double>());
  EXPECT_GT(whole.norm().item<double>(), 0.1);
}

// gradient_accumulation_steps is a factor of the batch, whatever the micro-batches are.
TEST_F(SftPacking, AccumulationStepsAreAFactorOfTheBatch) {
  SftOptions wide = options("wide"), accumulated = options("accumulated");
  accumulated.per_device_train_batch_size = 1;
  accumulated.gradient_accumulation_steps = 4;
  EXPECT_EQ(train(wide).losses, train(accumulated).losses);
  EXPECT_EQ(weights_hex(dir_ / "wide"), weights_hex(dir_ / "accumulated"));
}

// A conversation of several turns learns every assistant turn with its end mark, and nothing else.
TEST_F(SftPacking, EveryAssistantTurnIsLearnt) {
  const std::string row =
      R"({"messages":[{"role":"user","content":"Which emotion?"},{"role":"assistant","content":"sad"},)"
      R"({"role":"user","content":"Sure?"},{"role":"assistant","content":"yes"}]})";
  const Sample sample = value_of(parse_sample(row, dir_.path(), "row", 1));
  const EncodedPrompt encoded = value_of(encode_conversation(*processor_, sample, 1000));
  const EncodedPrompt* pointer = &encoded;
  const MicroBatch batch = pack_conversations(std::span(&pointer, 1), std::vector<int64_t>{0});
  std::vector<int32_t> ids(batch.targets.begin(), batch.targets.end());
  EXPECT_EQ(processor_->tokenizer().decode(ids, /*skip_special=*/false), "sad<|im_end|>yes<|im_end|>");
}

}  // namespace
}  // namespace prosodia
