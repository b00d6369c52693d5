// Small models, datasets and sampled step batches for the learner's tests.
#pragma once

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "orchestrator/protocol/messages.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/learner/grpo_step.h"
#include "workers/learner/sft.h"
#include "workers/model/load.h"
#include "workers/model/weights.h"
#include "workers/rollout/engine.h"

namespace prosodia::testing_support {

// A model folder with two clips; its weights are rough, so that distributions are peaked.
inline void write_model_dir(const std::filesystem::path& dir) {
  ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir));
  auto model = value_of(load_model(dir));
  roughen(*model);
  ok(model->save(dir));
  write_tone(dir / "a.wav", 0.7);
  write_tone(dir / "b.wav", 0.4, 330);
}

inline std::string prompt_row(int index) {
  static const std::vector<std::string> rows = {
      R"({"messages":[{"role":"user","content":"<audio>Which emotion?"}],"audios":["a.wav"],"solution":"sad"})",
      R"({"messages":[{"role":"user","content":"Answer with one word."}],"solution":"happy"})",
      R"({"messages":[{"role":"user","content":"<audio>Is the voice low and slow?"}],"audios":["b.wav"],"solution":"sad"})"};
  return rows[static_cast<size_t>(index) % rows.size()];
}

inline void write_sft_dataset(const std::filesystem::path& path, int rows) {
  std::ofstream file(path);
  for (int i = 0; i < rows; ++i) {
    nlohmann::json row = nlohmann::json::parse(prompt_row(i));
    row["messages"].push_back({{"role", "assistant"}, {"content", i % 2 ? "happy" : "the speaker is sad"}});
    file << row.dump() << "\n";
  }
}

inline std::string weights_hex(const Model& model) { return digest_weights(pack_weights(model)).hex(); }
inline std::string weights_hex(const std::filesystem::path& dir) { return weights_hex(*value_of(load_model(dir))); }

using RewardOf = std::function<double(const protocol::Completion&)>;

inline double share_of_even_tokens(const protocol::Completion& completion) {
  double even = 0;
  for (const int32_t id : completion.token_ids) even += id % 2 == 0;
  return even / static_cast<double>(std::max<size_t>(1, completion.token_ids.size()));
}

struct BatchShape {
  int groups = 3, num_generations = 4, max_completion_length = 10;
};

// Samples step `step`'s groups from `model` with the engine, as a rollout worker would, and scores them.
inline protocol::StepBatch sample_batch(const Model& model, const Processor& processor,
                                        const std::filesystem::path& dataset_dir, uint64_t step, uint64_t version,
                                        const BatchShape& shape = {}, const RewardOf& reward = share_of_even_tokens) {
  SamplingParams params;
  params.max_completion_length = shape.max_completion_length;
  params.stop_ids = processor.stop_ids();
  params.suppressed_ids = suppressed_ids(model.config(), processor.tokenizer(), params.stop_ids);
  Engine engine(model, params, {});
  protocol::StepBatch batch;
  batch.step = StepId(step);
  for (int g = 0; g < shape.groups; ++g) {
    protocol::BatchGroup group;
    group.group_id = GroupId(step * static_cast<uint64_t>(shape.groups) + static_cast<uint64_t>(g));
    group.row_json = prompt_row(g);
    group.seed = mix_seed(mix_seed(17, step), static_cast<uint64_t>(g));
    const Sample sample = value_of(parse_sample(group.row_json, dataset_dir, "row", 1));
    auto prompt = std::make_shared<EncodedPrompt>(value_of(processor.encode(sample, true)));
    group.rollout.prompt_token_count = static_cast<uint32_t>(prompt->token_ids.size());
    group.rollout.policy_version = PolicyVersion(version);
    ok(engine.submit({group.group_id.value, prompt, shape.num_generations, group.seed}));
    batch.groups.push_back(std::move(group));
  }
  while (!engine.idle()) {
    for (auto& result : engine.step()) {
      auto& group = batch.groups[result.id % static_cast<uint64_t>(shape.groups)];
      for (auto& sampled : result.completions) {
        protocol::Completion completion;
        completion.token_ids = sampled.token_ids;
        completion.logprobs = sampled.logprobs;
        completion.finish_reason = sampled.finish_reason == FinishReason::kStop ? protocol::FinishReason::kStop
                                                                                : protocol::FinishReason::kLength;
        protocol::ResponseScore score;
        score.scored = score.present = true;
        score.total = reward(completion);
        group.rollout.completions.push_back(std::move(completion));
        group.reward.responses.push_back(score);
      }
    }
  }
  batch.batch_digest = protocol::digest_of(batch.groups);
  return batch;
}

inline double metric(const GrpoOutcome& outcome, const std::string& name) {
  for (const auto& [key, value] : outcome.metrics)
    if (key == name) return value;
  throw std::runtime_error("no metric " + name);
}

}  // namespace prosodia::testing_support
