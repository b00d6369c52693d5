#include "workers/rollout/generate.h"

#include <ATen/ATen.h>

#include <map>

#include "data/base/philox.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

using nlohmann::json;

json completion_json(const Completion& completion, const Tokenizer& tokenizer) {
  return {{"text", tokenizer.decode(completion.token_ids, /*skip_special=*/true)},
          {"token_ids", completion.token_ids},
          {"logprobs", completion.logprobs},
          {"finish_reason", completion.finish_reason == FinishReason::kStop ? "stop" : "length"}};
}

// Hands rows out in input order although groups finish in any order.
class OrderedOutput {
 public:
  explicit OrderedOutput(const RowSink& sink) : sink_(sink) {}
  Status put(size_t index, json row) {
    ready_.emplace(index, std::move(row));
    while (!ready_.empty() && ready_.begin()->first == next_) {
      PROSODIA_TRY(sink_(next_++, std::move(ready_.begin()->second)));
      ready_.erase(ready_.begin());
    }
    return {};
  }

 private:
  const RowSink& sink_;
  std::map<size_t, json> ready_;
  size_t next_ = 0;
};

// The last assistant turn: the last run of mask = 1, as rows [begin, end) of the conversation.
struct Response {
  int64_t begin = 0, end = 0;
};

Result<Response> last_response(const EncodedPrompt& conversation, int64_t line) {
  const auto& mask = conversation.assistant_mask;
  auto end = static_cast<int64_t>(mask.size());
  while (end > 0 && !mask[end - 1]) --end;
  int64_t begin = end;
  while (begin > 0 && mask[begin - 1]) --begin;
  if (begin == end || begin == 0) {
    return fail(ErrorCode::kInvalidInput, "line {}: no assistant turn to score", line);
  }
  return Response{begin, end};
}

// Rows of several conversations in one forward.
struct ScoreBatch {
  PackedBatch packed;
  std::vector<EncodedPrompt> conversations;
  std::vector<Response> responses;  // in rows of `packed`
  std::vector<size_t> samples;
  int64_t tokens() const { return static_cast<int64_t>(packed.token_ids.size()); }

  void add(EncodedPrompt conversation, Response response, size_t sample) {
    const int64_t offset = tokens();
    const auto length = static_cast<int64_t>(conversation.token_ids.size());
    for (int64_t i = 0; i < length; ++i) {
      packed.token_ids.push_back(conversation.token_ids[i]);
      packed.positions.push_back(i);
    }
    packed.segments.push_back({.begin = offset, .end = offset + length});
    for (const auto& clip : conversation.clips) packed.clips.push_back(clip.get());
    responses.push_back({offset + response.begin, offset + response.end});
    samples.push_back(sample);
    conversations.push_back(std::move(conversation));  // keeps the clips alive
  }
};

Status score_batch(const Model& model, const std::vector<Sample>& samples, const ScoreBatch& batch, double temperature,
                   const RowSink& sink) {
  std::vector<int64_t> rows, targets;
  for (const Response& response : batch.responses) {
    for (int64_t i = response.begin; i < response.end; ++i) {
      rows.push_back(i - 1);
      targets.push_back(batch.packed.token_ids[i]);
    }
  }
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = model.hidden(batch.packed);
  const at::Tensor h = hidden.index_select(0, at::tensor(rows, at::kLong).to(hidden.device()));
  const at::Tensor logprobs =
      model.logprobs(h, at::tensor(targets, at::kLong).to(h.device()), temperature, /*want_entropy=*/false)
          .logprobs.to(at::kCPU, at::kFloat)
          .contiguous();
  const float* next = logprobs.data_ptr<float>();
  const int64_t* next_target = targets.data();
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const int64_t length = batch.responses[i].end - batch.responses[i].begin;
    json row = samples[batch.samples[i]].row;
    row["token_ids"] = std::vector<int64_t>(next_target, next_target + length);
    row["logprobs"] = std::vector<float>(next, next + length);
    next += length;
    next_target += length;
    PROSODIA_TRY(sink(batch.samples[i], std::move(row)));
  }
  return {};
}

}  // namespace

SamplingParams complete_sampling(SamplingParams params, const ModelConfig& config, const Processor& processor) {
  if (params.stop_ids.empty()) params.stop_ids = processor.stop_ids();
  if (params.suppressed_ids.empty()) {
    params.suppressed_ids = suppressed_ids(config, processor.tokenizer(), params.stop_ids);
  }
  return params;
}

Status infer(const Model& model, const Processor& processor, const std::vector<Sample>& samples,
             const InferOptions& options, const RowSink& sink) {
  Engine engine(model, complete_sampling(options.sampling, model.config(), processor), options.engine);
  OrderedOutput output(sink);
  size_t next = 0;
  while (next < samples.size() || !engine.idle()) {
    // Enough waiting work that a row freed in the next step is refilled at once.
    while (next < samples.size() && engine.waiting_samples() < static_cast<size_t>(options.engine.max_rows)) {
      PROSODIA_ASSIGN(EncodedPrompt prompt, processor.encode(samples[next], /*generation_prompt=*/true));
      auto status = engine.submit({.id = next,
                                   .prompt = std::make_shared<const EncodedPrompt>(std::move(prompt)),
                                   .num_generations = options.num_generations,
                                   .seed = mix_seed(options.seed, next)});
      if (!status) return wrap(status.error(), fmt::format("line {}", samples[next].line));
      ++next;
    }
    for (const GenerationResult& result : engine.step()) {
      json row = samples[result.id].row;
      json& completions = row["completions"] = json::array();
      for (const Completion& completion : result.completions) {
        completions.push_back(completion_json(completion, processor.tokenizer()));
      }
      PROSODIA_TRY(output.put(result.id, std::move(row)));
    }
  }
  return {};
}

Status score(const Model& model, const Processor& processor, const std::vector<Sample>& samples,
             const ScoreOptions& options, const RowSink& sink) {
  ScoreBatch batch;
  const auto flush = [&]() -> Status {
    if (batch.samples.empty()) return {};
    PROSODIA_TRY(score_batch(model, samples, batch, options.temperature, sink));
    batch = {};
    return {};
  };
  const int64_t limit = model.config().text.max_position_embeddings;
  for (size_t i = 0; i < samples.size(); ++i) {
    PROSODIA_ASSIGN(EncodedPrompt conversation, processor.encode(samples[i], /*generation_prompt=*/false));
    const auto length = static_cast<int64_t>(conversation.token_ids.size());
    if (length > limit) {
      return fail(ErrorCode::kInvalidInput, "line {}: {} tokens exceed the model's {} positions", samples[i].line,
                  length, limit);
    }
    PROSODIA_ASSIGN(const Response response, last_response(conversation, samples[i].line));
    if (batch.tokens() > 0 && batch.tokens() + length > options.max_batch_tokens) PROSODIA_TRY(flush());
    batch.add(std::move(conversation), response, i);
  }
  return flush();
}

}  // namespace prosodia
