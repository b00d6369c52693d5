#include "workers/rollout/continuations.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <bit>

#include "tests/unit/model/tiny_model.h"

namespace prosodia {
namespace {

using namespace testing_support;
using Sequences = std::vector<std::vector<int32_t>>;

class ContinuationsTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  ContinuationsTest() : tokenizer_(tiny_tokenizer()), mel_(random_mel(90, 3)) {
    const auto rough = tiny_model(tokenizer_);
    model_ = Model::random(rough->config(), 7, {.dtype = GetParam()});
    for (size_t i = 0; i < model_->parameters().size(); ++i)
      model_->parameters()[i].tensor.copy_(rough->parameters()[i].tensor);
  }

  std::vector<int32_t> random_ids(uint64_t seed, int count) const {
    PhiloxStream stream(seed);
    std::vector<int32_t> ids;
    for (int i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(stream.next_below(250)));
    return ids;
  }

  // A prompt with a clip, then each sequence's own tokens.
  Sequences sequences(std::initializer_list<int> own_lengths) const {
    std::vector<int32_t> prompt = random_ids(1, 9);
    prompt.insert(prompt.end(), num_audio_tokens(mel_.num_frames), model_->config().audio_token_id);
    prompt.insert(prompt.end(), {5, 6, 7});
    Sequences all;
    uint64_t seed = 50;
    for (const int length : own_lengths) {
      all.push_back(prompt);
      const auto own = random_ids(++seed, length);
      all.back().insert(all.back().end(), own.begin(), own.end());
    }
    return all;
  }

  std::vector<float> whole(const std::vector<int32_t>& ids) const {
    const at::NoGradGuard no_grad;
    PackedBatch batch;
    for (size_t i = 0; i < ids.size(); ++i) {
      batch.token_ids.push_back(ids[i]);
      batch.positions.push_back(static_cast<int64_t>(i));
    }
    batch.segments.push_back({.begin = 0, .end = static_cast<int64_t>(ids.size())});
    batch.clips.push_back(&mel_);
    const at::Tensor h = model_->hidden(batch).narrow(0, static_cast<int64_t>(ids.size()) - 1, 1);
    const at::Tensor logits = model_->logits(h).contiguous();
    return {logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel()};
  }

  void expect_bits_of_the_whole(const Continuations& continuations, const Sequences& all) const {
    for (size_t k = 0; k < all.size(); ++k) {
      const std::vector<float> expected = whole(all[k]);
      const std::span<const float> found = continuations.logits(k);
      for (size_t v = 0; v < expected.size(); ++v) {
        ASSERT_EQ(std::bit_cast<uint32_t>(found[v]), std::bit_cast<uint32_t>(expected[v]))
            << "sequence " << k << " of " << all[k].size() << " tokens, logit " << v << ": " << found[v] << " and "
            << expected[v];
      }
    }
  }

  Tokenizer tokenizer_;
  LogMel mel_;
  std::unique_ptr<Model> model_;
};
INSTANTIATE_TEST_SUITE_P(Dtypes, ContinuationsTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return info.param == at::kFloat ? "Float32" : "Bfloat16"; });

// Each step against the forward over the whole sequence alone: several tokens at once, one, and many.
TEST_P(ContinuationsTest, LogitsHaveTheBitsOfEachSequenceAlone) {
  if (GetParam() == at::kFloat) {
    ok(model_->add_adapter({.r = 3, .lora_alpha = 6}));
    roughen(*model_, 5);  // a fresh adapter adds nothing
  }
  Continuations continuations(*model_, {.max_rows = 5, .max_appended = 40});
  for (int round = 0; round < 2; ++round) {  // the second time in used slabs
    Sequences all = round == 0 ? sequences({14, 3, 30, 1}) : sequences({2, 25, 4, 4, 17});
    continuations.start(all, {&mel_}, {});
    EXPECT_EQ(continuations.shared_tokens(), shared_prefix(all));
    expect_bits_of_the_whole(continuations, all);
    uint64_t seed = 900;
    for (const int each : {5, 1, 20, 3}) {
      std::vector<int32_t> tokens;
      for (auto& sequence : all) {
        const auto more = random_ids(++seed, each);
        tokens.insert(tokens.end(), more.begin(), more.end());
        sequence.insert(sequence.end(), more.begin(), more.end());
      }
      continuations.append(tokens);
      expect_bits_of_the_whole(continuations, all);
    }
  }
}

TEST_P(ContinuationsTest, OneAloneAndEqualOnesShareAllButOneToken) {
  Continuations continuations(*model_, {.max_rows = 3, .max_appended = 8});
  Sequences all = sequences({6});
  for (const size_t copies : {size_t{1}, size_t{3}}) {
    all.resize(copies, all[0]);
    continuations.start(all, {&mel_}, {});
    EXPECT_EQ(continuations.shared_tokens(), static_cast<int64_t>(all[0].size()) - 1);
    expect_bits_of_the_whole(continuations, all);
  }
}

TEST_P(ContinuationsTest, EncodedAudioGivenIsUsed) {
  const at::NoGradGuard no_grad;
  const LogMel* clip = &mel_;
  const at::Tensor encoded = model_->encode_audio(std::span(&clip, 1));
  Continuations continuations(*model_, {.max_rows = 2, .max_appended = 4});
  const Sequences all = sequences({6, 3});
  continuations.start(all, {&mel_}, encoded);
  expect_bits_of_the_whole(continuations, all);
  continuations.start(all, {&mel_}, encoded + 1);
  EXPECT_NE(continuations.logits(0)[0], whole(all[0])[0]);
}

TEST_P(ContinuationsTest, TensorsGiveTheSameLogits) {
  const double tolerance = GetParam() == at::kFloat ? 2e-4 : 0.25;  // bfloat16 rounds in other places
  Continuations continuations(*model_, {.max_rows = 4, .max_appended = 8, .backend = EngineBackend::kTensors});
  Sequences all = sequences({14, 3, 30});
  continuations.start(all, {&mel_}, {});
  for (int round = 0; round < 2; ++round) {
    for (size_t k = 0; k < all.size(); ++k) {
      const auto expected = whole(all[k]);
      for (size_t v = 0; v < expected.size(); ++v)
        ASSERT_NEAR(continuations.logits(k)[v], expected[v], tolerance) << "round " << round << ", sequence " << k;
    }
    std::vector<int32_t> tokens;
    for (auto& sequence : all) {
      tokens.insert(tokens.end(), {3, 4, 5});
      sequence.insert(sequence.end(), {3, 4, 5});
    }
    continuations.append(tokens);
  }
}

TEST(SharedPrefix, EndsWhereSequencesPartAndLeavesEachAToken) {
  EXPECT_EQ(shared_prefix(Sequences{{1, 2, 3}}), 2);
  EXPECT_EQ(shared_prefix(Sequences{{1, 2, 3}, {1, 2, 4, 5}}), 2);
  EXPECT_EQ(shared_prefix(Sequences{{1, 2, 3, 4}, {1, 2, 3}, {1, 2, 3, 4, 5}}), 2);
  EXPECT_EQ(shared_prefix(Sequences{{1, 2, 3, 4, 5}, {1, 2, 3, 4, 5, 6}, {1, 9, 3, 4}}), 1);
}

}  // namespace
}  // namespace prosodia
