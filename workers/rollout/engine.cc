#include "workers/rollout/engine.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <set>

#include "data/base/check.h"
#include "workers/model/model.h"
#include "workers/rollout/backend.h"
#include "workers/rollout/sampler.h"

namespace prosodia {
namespace {

// One request in flight.
struct Group {
  GenerationRequest request;
  std::vector<Completion> completions;
  int started = 0;  // samples that got a row
  int finished = 0;
  int prefix = -1;                    // backend handle; -1 before prefill
  std::vector<float> first_logits_V;  // at the prompt's end, until the last sample has started
  int64_t prompt_length() const { return static_cast<int64_t>(request.prompt->token_ids.size()); }
};

struct Row {
  Group* group = nullptr;
  int sample = 0;
  int slot = 0;
};

// Handles 0, 1, 2, …: the lowest free one is given out again.
class HandlePool {
 public:
  int take() {
    if (free_.empty()) return next_++;
    const int handle = *free_.begin();
    free_.erase(free_.begin());
    return handle;
  }
  void give(int handle) { free_.insert(handle); }

 private:
  std::set<int> free_;
  int next_ = 0;
};

}  // namespace

struct Engine::Impl {
  Impl(const Model& model_in, SamplingParams params_in, EngineOptions options_in)
      : model(model_in),
        params(std::move(params_in)),
        options(options_in),
        backend(make_backend(model, params, options)),
        sampler(params, model.config().text.vocab_size),
        vocab(model.config().text.vocab_size),
        logits_RV(static_cast<size_t>(options.max_rows) * vocab) {
    rows.reserve(options.max_rows);
    decode_rows.reserve(options.max_rows);
    for (int slot = options.max_rows; slot-- > 0;) free_slots.push_back(slot);
  }

  const Model& model;
  const SamplingParams params;
  const EngineOptions options;
  std::unique_ptr<DecodeBackend> backend;
  Sampler sampler;
  const size_t vocab;
  std::vector<float> logits_RV;  // of one step

  std::deque<std::unique_ptr<Group>> groups;  // in order of submission; the waiting ones are at the end
  std::vector<Row> rows;                      // in order of start: a group's rows are neighbours
  std::vector<int> free_slots;
  HandlePool prefixes;
  std::vector<DecodeRow> decode_rows;  // scratch
  uint64_t decoded_tokens = 0, decode_steps = 0;

  void prefill_next_groups();
  void admit();
  void start_sample(Group& group);
  bool take_token(Group& group, int sample, std::span<const float> logits_V);
  void decode();
  void release(Group& group);
  std::vector<GenerationResult> collect();
};

// Runs the prompts of the groups whose samples fit into the free rows now.
void Engine::Impl::prefill_next_groups() {
  std::vector<PrefillItem> items;
  auto room = static_cast<int>(free_slots.size());
  for (const auto& group : groups) {
    const int left = group->request.num_generations - group->started;
    if (left == 0) continue;
    if (room <= 0) break;
    room -= left;
    if (group->prefix >= 0) continue;
    group->prefix = prefixes.take();
    group->first_logits_V.resize(vocab);
    items.push_back({group->request.prompt.get(), group->prefix, group->first_logits_V.data()});
  }
  if (!items.empty()) backend->prefill(items);
}

// A response can end with its first token and leave its row free, so this repeats until rows or samples run out.
void Engine::Impl::admit() {
  while (!free_slots.empty()) {
    prefill_next_groups();
    bool any = false;
    for (const auto& group : groups) {
      while (group->prefix >= 0 && group->started < group->request.num_generations && !free_slots.empty()) {
        start_sample(*group);
        any = true;
      }
    }
    if (!any) return;
  }
}

void Engine::Impl::start_sample(Group& group) {
  const int sample = group.started++;
  Completion& completion = group.completions[sample];
  completion.token_ids.reserve(params.max_completion_length);
  completion.logprobs.reserve(params.max_completion_length);
  if (!take_token(group, sample, group.first_logits_V)) return;
  const int slot = free_slots.back();
  free_slots.pop_back();
  backend->start_row(slot, group.prefix);
  rows.push_back({&group, sample, slot});
}

// Samples and records one token. False when the response is complete.
bool Engine::Impl::take_token(Group& group, int sample, std::span<const float> logits_V) {
  Completion& completion = group.completions[sample];
  const Sampler::Draw draw = sampler.draw(logits_V, group.request.seed, sample, completion.token_ids.size());
  completion.token_ids.push_back(draw.token);
  completion.logprobs.push_back(draw.logprob);
  ++decoded_tokens;
  const bool stopped = std::ranges::find(params.stop_ids, draw.token) != params.stop_ids.end();
  const bool full = completion.token_ids.size() >= static_cast<size_t>(params.max_completion_length);
  if (!stopped && !full) return true;
  completion.finish_reason = stopped ? FinishReason::kStop : FinishReason::kLength;
  ++group.finished;
  return false;
}

void Engine::Impl::decode() {
  if (rows.empty()) return;
  decode_rows.clear();
  for (const Row& row : rows) {
    const Completion& completion = row.group->completions[row.sample];
    decode_rows.push_back({row.slot, row.group->prefix, row.group->prompt_length(),
                           static_cast<int64_t>(completion.token_ids.size()) - 1, completion.token_ids.back()});
  }
  backend->decode(decode_rows, /*tokens_per_slot=*/1, logits_RV.data());
  ++decode_steps;
  size_t kept = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const Row row = rows[r];
    if (take_token(*row.group, row.sample, std::span(logits_RV).subspan(r * vocab, vocab))) {
      rows[kept++] = row;
    } else {
      free_slots.push_back(row.slot);
    }
  }
  rows.resize(kept);
}

void Engine::Impl::release(Group& group) {
  if (group.prefix < 0) return;
  backend->release_prefix(group.prefix);
  prefixes.give(group.prefix);
  group.prefix = -1;
}

std::vector<GenerationResult> Engine::Impl::collect() {
  std::vector<GenerationResult> results;
  for (const auto& group : groups) {
    if (group->finished < group->request.num_generations) continue;
    release(*group);
    results.push_back({group->request.id, std::move(group->completions)});
  }
  std::erase_if(groups, [](const auto& group) { return group->finished == group->request.num_generations; });
  return results;
}

std::unique_ptr<DecodeBackend> make_backend(const Model& model, const SamplingParams& params,
                                            const EngineOptions& options) {
  const bool known = model.dtype() == at::kFloat || model.dtype() == at::kBFloat16;
  const bool raw = model.device().is_cpu() && known && options.backend == EngineBackend::kAuto;
  return raw ? make_cpu_backend(model, params, options) : make_tensor_backend(model, params, options);
}

Engine::Engine(const Model& model, SamplingParams params, EngineOptions options) {
  PROSODIA_CHECK(options.max_rows > 0 && options.max_prefill_tokens > 0 && params.max_completion_length > 0,
                 "max_rows {}, max_prefill_tokens {}, max_completion_length {}", options.max_rows,
                 options.max_prefill_tokens, params.max_completion_length);
  impl_ = std::make_unique<Impl>(model, std::move(params), options);
}

Engine::~Engine() = default;

Status Engine::submit(GenerationRequest request) {
  PROSODIA_CHECK(request.prompt && request.num_generations >= 1, "request {}", request.id);
  const size_t length = request.prompt->token_ids.size();
  const auto limit = static_cast<size_t>(impl_->model.config().text.max_position_embeddings);
  if (length == 0) return fail(ErrorCode::kInvalidInput, "the prompt has no tokens");
  if (length + impl_->params.max_completion_length > limit) {
    return fail(
        ErrorCode::kInvalidInput,
        "a prompt of {} tokens and max_completion_length {} exceed the model's {} positions. Shorten the prompt or "
        "lower --max_completion_length",
        length, impl_->params.max_completion_length, limit);
  }
  auto group = std::make_unique<Group>();
  group->completions.resize(request.num_generations);
  group->request = std::move(request);
  impl_->groups.push_back(std::move(group));
  return {};
}

bool Engine::idle() const { return impl_->groups.empty(); }

size_t Engine::waiting_samples() const {
  size_t waiting = 0;
  for (const auto& group : impl_->groups) waiting += group->request.num_generations - group->started;
  return waiting;
}

std::vector<GenerationResult> Engine::step() {
  impl_->admit();
  impl_->decode();
  return impl_->collect();
}

const Completion* Engine::in_progress(uint64_t id, int sample) const {
  for (const auto& group : impl_->groups)
    if (group->request.id == id && sample < group->started) return &group->completions[static_cast<size_t>(sample)];
  return nullptr;
}

void Engine::cancel(uint64_t id) {
  auto& groups = impl_->groups;
  const auto found = std::ranges::find_if(groups, [&](const auto& group) { return group->request.id == id; });
  if (found == groups.end()) return;
  std::erase_if(impl_->rows, [&](const Row& row) {
    if (row.group != found->get()) return false;
    impl_->free_slots.push_back(row.slot);
    return true;
  });
  impl_->release(**found);
  groups.erase(found);
}

void Engine::weights_changed() {
  PROSODIA_CHECK(idle(), "{} groups in flight: no response may mix weight versions", impl_->groups.size());
  impl_->backend->weights_changed();
}

void Engine::adapter_changed() {
  PROSODIA_CHECK(idle(), "{} groups in flight: no response may mix weight versions", impl_->groups.size());
  impl_->backend->adapter_changed();
}

uint64_t Engine::decoded_tokens() const { return impl_->decoded_tokens; }
uint64_t Engine::decode_steps() const { return impl_->decode_steps; }

std::vector<int32_t> suppressed_ids(const ModelConfig& config, const Tokenizer& tokenizer,
                                    const std::vector<int32_t>& stop_ids) {
  const std::array placeholders = {config.audio_token_id,     config.audio_start_token_id, config.audio_end_token_id,
                                   config.image_token_id,     config.video_token_id,       config.vision_start_token_id,
                                   config.vision_end_token_id};
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < static_cast<int32_t>(config.text.vocab_size); ++id) {
    const bool stops = std::ranges::find(stop_ids, id) != stop_ids.end();
    const bool placeholder = std::ranges::find(placeholders, id) != placeholders.end();
    const bool unknown = id >= tokenizer.vocab_size() || tokenizer.token_bytes(id).empty();
    if (!stops && (placeholder || unknown || tokenizer.is_special(id))) ids.push_back(id);
  }
  return ids;
}

}  // namespace prosodia
