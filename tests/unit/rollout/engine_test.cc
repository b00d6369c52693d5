#include "workers/rollout/engine.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <numeric>
#include <set>

#include "tests/unit/model/tiny_model.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class EngineTest : public testing::Test {
 protected:
  EngineTest() : tokenizer_(tiny_tokenizer()), model_(tiny_model(tokenizer_)) {
    params_.max_completion_length = 24;
    params_.stop_ids = {*tokenizer_.token_id(kImEnd), *tokenizer_.token_id(kEndOfText)};
    params_.suppressed_ids = suppressed_ids(model_->config(), tokenizer_, params_.stop_ids);
  }

  // Prompts of different lengths, every second one with a clip.
  GenerationRequest request(uint64_t id, int num_generations) const {
    auto prompt = std::make_shared<EncodedPrompt>();
    PhiloxStream stream(100 + id);
    for (uint64_t i = 0; i < 3 + 5 * (id % 4); ++i)
      prompt->token_ids.push_back(static_cast<int32_t>(stream.next_below(300)));
    if (id % 2 == 1) {
      const auto mel = std::make_shared<const LogMel>(random_mel(50 + 60 * static_cast<int64_t>(id % 3), id));
      prompt->clips.push_back(mel);
      prompt->token_ids.insert(prompt->token_ids.end(), num_audio_tokens(mel->num_frames),
                               model_->config().audio_token_id);
    }
    prompt->token_ids.push_back(42);
    return {.id = id, .prompt = prompt, .num_generations = num_generations, .seed = mix_seed(9, id)};
  }

  std::map<uint64_t, std::vector<Completion>> run(const std::vector<GenerationRequest>& requests,
                                                  EngineOptions options) {
    Engine engine(*model_, params_, options);
    for (const auto& request : requests) ok(engine.submit(request));
    std::map<uint64_t, std::vector<Completion>> results;
    while (!engine.idle()) {
      for (auto& result : engine.step()) results[result.id] = std::move(result.completions);
    }
    return results;
  }

  // What the learner recomputes: the group in one packed batch with a shared prefix.
  std::vector<float> recompute(const GenerationRequest& request, const std::vector<Completion>& completions) const {
    PackedBatch batch;
    for (const auto& clip : request.prompt->clips) batch.clips.push_back(clip.get());
    const auto prompt_length = static_cast<int64_t>(request.prompt->token_ids.size());
    const auto append = [&](const std::vector<int32_t>& ids, int64_t first_position) {
      const auto begin = static_cast<int64_t>(batch.token_ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        batch.token_ids.push_back(ids[i]);
        batch.positions.push_back(first_position + static_cast<int64_t>(i));
      }
      batch.segments.push_back({.begin = begin,
                                .end = static_cast<int64_t>(batch.token_ids.size()),
                                .prefix_begin = 0,
                                .prefix_end = first_position});
    };
    append(request.prompt->token_ids, 0);
    std::vector<int64_t> rows, targets;
    for (const Completion& completion : completions) {
      append(completion.token_ids, prompt_length);
      const int64_t begin = batch.segments.back().begin;
      for (size_t i = 0; i < completion.token_ids.size(); ++i) {
        rows.push_back(i == 0 ? prompt_length - 1 : begin + static_cast<int64_t>(i) - 1);
        targets.push_back(completion.token_ids[i]);
      }
    }
    const at::Tensor h = model_->hidden(batch).index_select(0, at::tensor(rows, at::kLong));
    const at::Tensor logprobs =
        model_->logprobs(h, at::tensor(targets, at::kLong), params_.temperature, false).logprobs.contiguous();
    return {logprobs.data_ptr<float>(), logprobs.data_ptr<float>() + logprobs.numel()};
  }

  // The same weights, rounded.
  void use(at::ScalarType dtype) {
    auto model = Model::random(model_->config(), 7, {.dtype = dtype});
    for (size_t i = 0; i < model->parameters().size(); ++i)
      model->parameters()[i].tensor.copy_(model_->parameters()[i].tensor);
    model_ = std::move(model);
  }

  Tokenizer tokenizer_;
  std::unique_ptr<Model> model_;
  SamplingParams params_;
};

// What must hold to the bit holds in both types.
class EngineBits : public EngineTest, public testing::WithParamInterface<at::ScalarType> {
 protected:
  void SetUp() override { use(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Dtypes, EngineBits, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return info.param == at::kFloat ? "Float32" : "Bfloat16"; });

void expect_same_bits(const Completion& a, const Completion& b) {
  EXPECT_EQ(a.token_ids, b.token_ids);
  EXPECT_EQ(a.finish_reason, b.finish_reason);
  ASSERT_EQ(a.logprobs.size(), b.logprobs.size());
  for (size_t i = 0; i < a.logprobs.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(a.logprobs[i]), std::bit_cast<uint32_t>(b.logprobs[i])) << i;
  }
}

TEST_P(EngineBits, AloneInACrowdAnyOrderAnyRows) {
  constexpr int kGroups = 9, kGenerations = 5;
  std::vector<GenerationRequest> requests;
  for (uint64_t id = 0; id < kGroups; ++id) requests.push_back(request(id, kGenerations));
  const auto crowd = run(requests, {.max_rows = 64});
  ASSERT_EQ(crowd.size(), kGroups);
  std::vector<GenerationRequest> reversed(requests.rbegin(), requests.rend());
  const auto few_rows = run(reversed, {.max_rows = 7, .max_prefill_tokens = 30});
  const auto one_row = run(requests, {.max_rows = 1});
  for (const auto& request : requests) {
    const auto alone = run({request}, {.max_rows = 3});
    for (int sample = 0; sample < kGenerations; ++sample) {
      expect_same_bits(crowd.at(request.id)[sample], alone.at(request.id)[sample]);
      expect_same_bits(crowd.at(request.id)[sample], few_rows.at(request.id)[sample]);
      expect_same_bits(crowd.at(request.id)[sample], one_row.at(request.id)[sample]);
    }
  }
}

// Random crowds: which groups run together, in which order, with how many samples and rows, and when they arrive. A
// response is the same bits as that of its group alone, with and without audio, before and after refills.
TEST_P(EngineBits, RandomCrowdsChangeNothing) {
  constexpr uint64_t kIds = 8;
  std::map<uint64_t, std::vector<Completion>> alone;
  for (uint64_t id = 0; id < kIds; ++id) alone[id] = run({request(id, 4)}, {.max_rows = 1}).at(id);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    PhiloxStream random(seed);
    std::vector<uint64_t> ids(kIds);
    std::iota(ids.begin(), ids.end(), uint64_t{0});
    for (size_t i = kIds; i > 1; --i) std::swap(ids[i - 1], ids[random.next_below(i)]);
    ids.resize(1 + random.next_below(kIds));
    Engine engine(*model_, params_,
                  {.max_rows = 1 + static_cast<int>(random.next_below(13)),
                   .max_prefill_tokens = 1 + static_cast<int64_t>(random.next_below(200))});
    size_t submitted = 0, finished = 0;
    while (submitted < ids.size() || !engine.idle()) {
      while (submitted < ids.size() && (engine.idle() || random.next_below(3) == 0))
        ok(engine.submit(request(ids[submitted++], 1 + static_cast<int>(random.next_below(4)))));
      for (const auto& result : engine.step()) {
        ++finished;
        for (size_t sample = 0; sample < result.completions.size(); ++sample)
          expect_same_bits(result.completions[sample], alone.at(result.id)[sample]);
      }
    }
    EXPECT_EQ(finished, ids.size());
  }
}

TEST_P(EngineBits, LogProbsHaveTheBitsOfThePackedTrainingForward) {
  for (const double temperature : {1.0, 0.7}) {
    params_.temperature = temperature;
    std::vector<GenerationRequest> requests;
    for (uint64_t id = 0; id < 6; ++id) requests.push_back(request(id, 4));
    const auto results = run(requests, {.max_rows = 10});
    for (const auto& request : requests) {
      const auto& completions = results.at(request.id);
      std::vector<float> sampled;
      for (const auto& completion : completions) {
        sampled.insert(sampled.end(), completion.logprobs.begin(), completion.logprobs.end());
      }
      const std::vector<float> recomputed = recompute(request, completions);
      ASSERT_EQ(sampled.size(), recomputed.size());
      for (size_t i = 0; i < sampled.size(); ++i) {
        EXPECT_EQ(std::bit_cast<uint32_t>(sampled[i]), std::bit_cast<uint32_t>(recomputed[i]))
            << "group " << request.id << ", token " << i << ": " << sampled[i] << " " << recomputed[i];
      }
    }
  }
}

TEST_F(EngineTest, SamplesDifferAndNeverHoldSuppressedIds) {
  const std::vector<Completion> completions = run({request(1, 16)}, {}).at(1);
  std::set<std::vector<int32_t>> distinct;
  for (const auto& completion : completions) {
    distinct.insert(completion.token_ids);
    for (const int32_t id : completion.token_ids) {
      EXPECT_FALSE(std::ranges::count(params_.suppressed_ids, id)) << id;
    }
  }
  EXPECT_GT(distinct.size(), 12);
}

TEST_F(EngineTest, EndsAtAStopTokenOrTheLengthLimit) {
  // Every id stops: one token a response, and the rows are free again within the same step.
  params_.stop_ids.resize(model_->config().text.vocab_size);
  std::iota(params_.stop_ids.begin(), params_.stop_ids.end(), 0);
  Engine engine(*model_, params_, {.max_rows = 2});
  ok(engine.submit(request(0, 5)));
  const auto results = engine.step();
  ASSERT_EQ(results.size(), 1);
  for (const auto& completion : results[0].completions) {
    EXPECT_EQ(completion.token_ids.size(), 1);
    EXPECT_EQ(completion.finish_reason, FinishReason::kStop);
  }
  EXPECT_TRUE(engine.idle());

  params_.stop_ids = {};
  const auto results_at_limit = run({request(0, 3)}, {});
  for (const auto& completion : results_at_limit.at(0)) {
    EXPECT_EQ(completion.token_ids.size(), 24);
    EXPECT_EQ(completion.finish_reason, FinishReason::kLength);
  }
}

TEST_F(EngineTest, FinishedRowsAreRefilledAtOnce) {
  params_.stop_ids = {};
  params_.max_completion_length = 10;
  Engine engine(*model_, params_, {.max_rows = 4});
  for (uint64_t id = 0; id < 4; ++id) ok(engine.submit(request(id, 3)));
  size_t groups = 0;
  while (!engine.idle()) groups += engine.step().size();
  EXPECT_EQ(groups, 4);
  EXPECT_EQ(engine.decoded_tokens(), 120);
  // 12 samples over 4 rows: the first token comes with the prompt, nine more take a step each, three times over.
  EXPECT_EQ(engine.decode_steps(), 27);
}

TEST_F(EngineTest, CancelledGroupsLeaveTheOthersAlone) {
  const auto expected = run({request(2, 4)}, {}).at(2);
  Engine engine(*model_, params_, {.max_rows = 6});
  ok(engine.submit(request(1, 4)));
  ok(engine.submit(request(2, 4)));
  std::vector<GenerationResult> results = engine.step();
  engine.cancel(1);
  engine.cancel(77);
  while (!engine.idle()) {
    for (auto& result : engine.step()) results.push_back(std::move(result));
  }
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].id, 2);
  for (int sample = 0; sample < 4; ++sample) expect_same_bits(results[0].completions[sample], expected[sample]);
}

TEST_F(EngineTest, NewWeightsTakeEffectAndOldOnesComeBack) {
  Engine engine(*model_, params_);
  const auto sample_once = [&] {
    ok(engine.submit(request(1, 2)));
    std::vector<GenerationResult> results;
    while (!engine.idle()) {
      for (auto& result : engine.step()) results.push_back(std::move(result));
    }
    return results.at(0).completions;
  };
  const auto old_weights = pack_weights(*model_);
  const auto before = sample_once();
  roughen(*model_, 5);
  engine.weights_changed();
  EXPECT_NE(sample_once()[0].logprobs, before[0].logprobs);
  ok(unpack_weights(old_weights, *model_));
  engine.weights_changed();
  const auto after = sample_once();
  for (int sample = 0; sample < 2; ++sample) expect_same_bits(after[sample], before[sample]);
}

TEST_F(EngineTest, WeightsMustNotChangeUnderway) {
  Engine engine(*model_, params_);
  ok(engine.submit(request(1, 2)));
  EXPECT_DEATH(engine.weights_changed(), "mix weight versions");
}

TEST_F(EngineTest, PromptsThatCannotFitAreRefused) {
  Engine engine(*model_, params_);
  auto prompt = std::make_shared<EncodedPrompt>();
  EXPECT_EQ(engine.submit({.id = 1, .prompt = prompt}).error().code, ErrorCode::kInvalidInput);
  prompt->token_ids.resize(512 - 23);
  const auto status = engine.submit({.id = 1, .prompt = prompt});
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("max_completion_length"));
  prompt->token_ids.pop_back();
  EXPECT_TRUE(engine.submit({.id = 1, .prompt = prompt}));
}

TEST_F(EngineTest, TensorsGiveTheSameTokens) {
  std::vector<GenerationRequest> requests;
  for (uint64_t id = 0; id < 5; ++id) requests.push_back(request(id, 3));
  const auto raw = run(requests, {.max_rows = 8});
  const auto tensors = run(requests, {.max_rows = 8, .backend = EngineBackend::kTensors});
  for (const auto& [id, completions] : raw) {
    for (size_t sample = 0; sample < completions.size(); ++sample) {
      EXPECT_EQ(tensors.at(id)[sample].token_ids, completions[sample].token_ids);
      for (size_t i = 0; i < completions[sample].logprobs.size(); ++i) {
        EXPECT_NEAR(tensors.at(id)[sample].logprobs[i], completions[sample].logprobs[i], 1e-4);
      }
    }
  }
}

TEST_F(EngineTest, Bf16IsCloseToFloatOnBothBackends) {
  params_.greedy = true;
  const auto exact = run({request(1, 1)}, {}).at(1)[0];
  use(at::kBFloat16);
  for (const EngineBackend backend : {EngineBackend::kAuto, EngineBackend::kTensors}) {
    const auto rounded = run({request(1, 1)}, {.backend = backend}).at(1)[0];
    EXPECT_EQ(rounded.token_ids[0], exact.token_ids[0]);
    EXPECT_NEAR(rounded.logprobs[0], exact.logprobs[0], 0.1);
  }
}

TEST(SuppressedIds, CoverPlaceholdersUnknownRowsAndSpecialsButNotStops) {
  const Tokenizer tokenizer = tiny_tokenizer();
  ModelConfig config = value_of(make_config(tiny_options(), tokenizer));
  config.text.vocab_size = tokenizer.vocab_size() + 3;
  const int32_t stop = *tokenizer.token_id(kImEnd);
  const auto ids = suppressed_ids(config, tokenizer, {stop});
  for (const std::string_view name : {kAudio, kAudioBos, kImStart, std::string_view("<|IMAGE|>")}) {
    EXPECT_THAT(ids, testing::Contains(*tokenizer.token_id(name)));
  }
  EXPECT_THAT(ids, testing::Contains(tokenizer.vocab_size() + 2));
  EXPECT_THAT(ids, testing::Not(testing::Contains(stop)));
  EXPECT_THAT(ids, testing::Not(testing::Contains(*tokenizer.token_id("a"))));
}

}  // namespace
}  // namespace prosodia
