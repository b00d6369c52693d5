#include "workers/rollout/generate.h"

#include <ATen/ATen.h>

#include <algorithm>
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

json completed_row(const Sample& sample, const GenerationResult& result, const Tokenizer& tokenizer) {
  json row = sample.row;
  json& completions = row["completions"] = json::array();
  for (const Completion& completion : result.completions) completions.push_back(completion_json(completion, tokenizer));
  return row;
}

Status submit(Engine& engine, const Processor& processor, const Sample& sample, size_t index,
              const InferOptions& options) {
  PROSODIA_ASSIGN(EncodedPrompt prompt, processor.encode(sample, /*generation_prompt=*/true));
  auto status = engine.submit({.id = index,
                               .prompt = std::make_shared<const EncodedPrompt>(std::move(prompt)),
                               .num_generations = options.num_generations,
                               .seed = mix_seed(options.seed, index)});
  if (!status) return wrap(status.error(), sample.origin);
  return {};
}

Status check_stop(const std::atomic<bool>* stop) {
  if (stop != nullptr && *stop) return fail(ErrorCode::kInterrupted, "stopped on request");
  return {};
}

// Hands rows out in input order although groups finish in any order.
class OrderedOutput {
 public:
  OrderedOutput(const RowSink& sink, size_t first, size_t stride) : sink_(sink), next_(first), stride_(stride) {}
  Status put(size_t index, json row) {
    ready_.emplace(index, std::move(row));
    while (!ready_.empty() && ready_.begin()->first == next_) {
      PROSODIA_TRY(sink_(next_, std::move(ready_.begin()->second)));
      ready_.erase(ready_.begin());
      next_ += stride_;
    }
    return {};
  }

 private:
  const RowSink& sink_;
  std::map<size_t, json> ready_;
  size_t next_, stride_;
};

// Hands on the text of one response after the other, as far as each has been sampled.
class ResponseWriter {
 public:
  ResponseWriter(const Tokenizer& tokenizer, const SamplingParams& params, const TextSink& sink)
      : params_(params), sink_(sink), decoder_(tokenizer, /*skip_special=*/true) {}

  int current() const { return current_; }
  // What is new of the current response. True when it has ended: then the next one is current.
  Result<bool> write(const Completion& completion) {
    const auto& tokens = completion.token_ids;
    for (; written_ < tokens.size(); ++written_) PROSODIA_TRY(put(decoder_.push(tokens[written_])));
    const bool ended =
        tokens.size() >= static_cast<size_t>(params_.max_completion_length) ||
        (!tokens.empty() && std::ranges::find(params_.stop_ids, tokens.back()) != params_.stop_ids.end());
    if (!ended) return false;
    PROSODIA_TRY(put(decoder_.finish()));
    ++current_;
    written_ = 0;
    return true;
  }

 private:
  Status put(const std::string& text) { return text.empty() ? Status() : sink_(current_, text); }

  const SamplingParams& params_;
  const TextSink& sink_;
  StreamingDecoder decoder_;
  int current_ = 0;
  size_t written_ = 0;  // tokens of the current response
};

// The last assistant turn: the last run of mask = 1, as rows [begin, end) of the conversation.
struct Response {
  int64_t begin = 0, end = 0;
};

Result<Response> last_response(const EncodedPrompt& conversation, const Sample& sample) {
  const auto& mask = conversation.assistant_mask;
  auto end = static_cast<int64_t>(mask.size());
  while (end > 0 && !mask[end - 1]) --end;
  int64_t begin = end;
  while (begin > 0 && mask[begin - 1]) --begin;
  if (begin == end || begin == 0) {
    return fail(ErrorCode::kInvalidInput, "{}: no assistant turn to score", sample.origin);
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
  OrderedOutput output(sink, options.first_row, options.row_stride);
  size_t next = options.first_row;
  while (next < samples.size() || !engine.idle()) {
    // Enough waiting work that a row freed in the next step is refilled at once.
    while (next < samples.size() && engine.waiting_samples() < static_cast<size_t>(options.engine.max_rows)) {
      PROSODIA_TRY(submit(engine, processor, samples[next], next, options));
      next += options.row_stride;
    }
    for (GenerationResult& result : engine.step()) {
      PROSODIA_TRY(output.put(result.id, completed_row(samples[result.id], result, processor.tokenizer())));
    }
    PROSODIA_TRY(check_stop(options.stop));
  }
  return {};
}

Result<json> stream(const Model& model, const Processor& processor, const Sample& sample, const InferOptions& options,
                    const TextSink& sink) {
  const SamplingParams params = complete_sampling(options.sampling, model.config(), processor);
  Engine engine(model, params, options.engine);
  PROSODIA_TRY(submit(engine, processor, sample, 0, options));
  ResponseWriter writer(processor.tokenizer(), params, sink);
  while (true) {
    const auto results = engine.step();
    if (!results.empty()) {
      for (int i = writer.current(); i < options.num_generations; ++i)
        PROSODIA_TRY(writer.write(results[0].completions[static_cast<size_t>(i)]));
      return completed_row(sample, results[0], processor.tokenizer());
    }
    for (const Completion* completion = nullptr; (completion = engine.in_progress(0, writer.current())) != nullptr;) {
      PROSODIA_ASSIGN(const bool ended, writer.write(*completion));
      if (!ended) break;
    }
    PROSODIA_TRY(check_stop(options.stop));
  }
}

Status score(const Model& model, const Processor& processor, const std::vector<Sample>& samples,
             const ScoreOptions& options, const RowSink& sink) {
  ScoreBatch batch;
  const auto flush = [&]() -> Status {
    if (batch.samples.empty()) return {};
    PROSODIA_TRY(score_batch(model, samples, batch, options.temperature, sink));
    batch = {};
    return check_stop(options.stop);
  };
  const int64_t limit = model.config().text.max_position_embeddings;
  for (size_t i = 0; i < samples.size(); ++i) {
    PROSODIA_ASSIGN(EncodedPrompt conversation, processor.encode(samples[i], /*generation_prompt=*/false));
    const auto length = static_cast<int64_t>(conversation.token_ids.size());
    if (length > limit) {
      return fail(ErrorCode::kInvalidInput, "{}: {} tokens exceed the model's {} positions", samples[i].origin, length,
                  limit);
    }
    PROSODIA_ASSIGN(const Response response, last_response(conversation, samples[i]));
    if (batch.tokens() > 0 && batch.tokens() + length > options.max_batch_tokens) PROSODIA_TRY(flush());
    batch.add(std::move(conversation), response, i);
  }
  return flush();
}

}  // namespace prosodia
