#include "workers/learner/grpo_step.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>

#include "data/corpus/dataset.h"
#include "workers/learner/forward.h"
#include "workers/learner/grpo_batch.h"
#include "workers/learner/grpo_metrics.h"
#include "workers/learner/trainable.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;

bool same_audio_parts(const Model& a, const Model& b) {
  for (const auto& parameter : a.parameters()) {
    if (!parameter.name.starts_with("audio_tower.")) continue;
    const at::Tensor* other = b.find(parameter.name);
    if (!other || !at::equal(parameter.tensor, *other)) return false;
  }
  return true;
}

// A micro-batch and what stays the same over its iterations.
struct Work {
  MicroBatch micro;
  std::vector<double> advantages;  // [S]
  at::Tensor recorded_R;           // log-probabilities recorded while sampling
  at::Tensor reference_R;          // undefined without a reference
  at::Tensor old_R;                // undefined = the current ones
};

}  // namespace

struct GrpoTrainer::Impl {
  GrpoOptions options;
  Model& policy;
  const Model* reference;
  const Processor& processor;
  Collective& collective;
  PolicyWeights weights;
  LrScheduleOptions schedule;  // in optimizer updates
  std::unique_ptr<AdamW> optimizer = nullptr;
  std::unique_ptr<AudioCache> policy_audio = nullptr, reference_audio_own = nullptr;
  AudioCache* reference_audio = nullptr;
  int64_t num_tokens = 0;
  std::function<void()> progress = nullptr;
  TraceWriter* trace = nullptr;

  Result<EncodedPrompt> encode_prompt(const protocol::StepBatch& batch, const protocol::BatchGroup& group) const {
    const std::string where = fmt::format("step {}, group {}", batch.step, group.group_id);
    PROSODIA_ASSIGN(const Sample sample, parse_sample(group.row_json, options.dataset_dir, where, 1));
    auto encoded = processor.encode(sample, /*generation_prompt=*/true);
    if (!encoded) return wrap(encoded.error(), where);
    EncodedPrompt prompt = std::move(*encoded);
    if (prompt.token_ids.size() != group.rollout.prompt_token_count)
      return fail(
          ErrorCode::kInvalidInput,
          "{}: {}: the learner encodes the prompt to {} tokens, the rollout worker had {}. Next: make both read the "
          "same model folder and audio files",
          where, sample.origin, prompt.token_ids.size(), group.rollout.prompt_token_count);
    return prompt;
  }

  // This rank's micro-batches. `prompts` keeps what they need alive only while packing.
  Result<std::vector<Work>> prepare(const protocol::StepBatch& batch, const GrpoSequences& sequences) const {
    std::vector<PackGroup> groups = pack_groups(batch, sequences);
    const PackPlan plan = plan_packing(groups, {options.max_tokens_per_micro_batch, collective.size(), 1.1});
    std::vector<EncodedPrompt> prompts(groups.size());
    std::vector<Work> work;
    for (const auto& pieces : plan[static_cast<size_t>(collective.rank())]) {
      for (const GroupPiece& piece : pieces) {
        const auto g = static_cast<size_t>(piece.group);
        if (groups[g].prompt) continue;
        PROSODIA_ASSIGN(prompts[g], encode_prompt(batch, batch.groups[g]));
        groups[g].prompt = &prompts[g];
      }
      work.push_back(make_work(pack(groups, pieces), sequences));
    }
    return work;
  }

  Work make_work(MicroBatch micro, const GrpoSequences& sequences) const {
    Work work;
    std::vector<float> recorded;
    for (const int64_t s : micro.sequences) {
      const GrpoSequence& sequence = sequences.all[static_cast<size_t>(s)];
      work.advantages.push_back(sequence.advantage);
      recorded.insert(recorded.end(), sequence.completion->logprobs.begin(), sequence.completion->logprobs.end());
    }
    work.recorded_R = at::tensor(recorded, at::kFloat).to(policy.device());
    if (!sequences.on_policy) work.old_R = work.recorded_R;
    work.micro = std::move(micro);
    return work;
  }

  void add_first_iteration(const Work& work, const ops::TokenLogProbs& now, SequenceTable& table) const {
    const at::Tensor gap_R = (now.logprobs.detach() - work.recorded_R).abs().cpu(), entropy_R = now.entropy.cpu();
    const float* gap = gap_R.const_data_ptr<float>();
    const float* entropy = entropy_R.const_data_ptr<float>();
    for (size_t s = 0; s < work.micro.sequences.size(); ++s) {
      auto& row = table[static_cast<size_t>(work.micro.sequences[s])];
      for (int64_t r = work.micro.offsets[s]; r < work.micro.offsets[s + 1]; ++r) {
        row.entropy += entropy[r];
        row.difference += gap[r];
        row.max_difference = std::max(row.max_difference, static_cast<double>(gap[r]));
      }
    }
  }

  // Forward, loss, backward of one micro-batch.
  void accumulate(Work& work, const BatchCounts& counts, int iteration, SequenceTable& table) {
    const bool first = iteration == 0;
    if (first && reference) {
      at::NoGradGuard no_grad;
      work.reference_R =
          micro_batch_logprobs(*reference, work.micro, options.temperature, false, reference_audio).logprobs;
    }
    const auto now = micro_batch_logprobs(policy, work.micro, options.temperature, first, policy_audio.get());
    if (first) add_first_iteration(work, now, table);
    const auto output = grpo_loss(
        options.loss, {now.logprobs, work.old_R, work.reference_R, work.micro.offsets, work.advantages}, counts);
    output.loss.backward();
    for (size_t s = 0; s < work.micro.sequences.size(); ++s)
      table.add_loss(static_cast<size_t>(work.micro.sequences[s]), output.stats[s]);
    if (first && !work.old_R.defined() && options.num_iterations > 1) work.old_R = now.logprobs.detach();
  }

  // Of update `iteration` over batch `step`: the schedule counts optimizer updates, as TRL's does.
  double learning_rate(uint64_t step, int iteration) const {
    return learning_rate_at(schedule, static_cast<int64_t>(step) * options.num_iterations + iteration);
  }

  // All iterations over the batch. Returns the first one's gradient norm.
  Result<double> update(std::vector<Work>& work, const BatchCounts& counts, uint64_t step, SequenceTable& table) {
    double first_norm = 0;
    for (int iteration = 0; iteration < options.num_iterations; ++iteration) {
      optimizer->zero_grad();
      for (Work& one : work) {
        const TraceSpan span(trace, "forward_backward", step + 1);
        accumulate(one, counts, iteration, table);
        if (progress) progress();
      }
      const TraceSpan span(trace, "optimizer", step + 1);  // with the sums over all ranks
      PROSODIA_ASSIGN(const double norm, optimizer->step(learning_rate(step, iteration)));
      if (iteration == 0) first_norm = norm;
    }
    return first_norm;
  }

  Result<GrpoOutcome> step(const protocol::StepBatch& batch) {
    const auto start = Clock::now();
    const ModelConfig& config = policy.config();
    PROSODIA_TRY(check_token_ids(batch, config.text.vocab_size, config.audio ? config.audio_token_id : -1));
    PROSODIA_ASSIGN(const GrpoSequences sequences, number_sequences(batch, options.advantage));
    Result<std::vector<Work>> work;
    {
      const TraceSpan span(trace, "prepare", batch.step.value + 1);
      work = prepare(batch, sequences);
      PROSODIA_TRY(collective.agree(work ? Status{} : tl::unexpected(work.error())));
    }
    SequenceTable table(sequences.all.size());
    double norm = 0;
    if (sequences.counts.tokens > 0) {  // nothing scored: the weights stay as they are
      PROSODIA_ASSIGN(norm, update(*work, sequences.counts, batch.step.value, table));
    }
    PROSODIA_TRY(table.reduce(collective));
    num_tokens += sequences.prompt_tokens;
    for (const auto& sequence : sequences.all)
      num_tokens += static_cast<int64_t>(sequence.completion->token_ids.size());

    GrpoOutcome outcome;
    outcome.step = batch.step.value;
    outcome.new_version = batch.step.value + 1;
    outcome.batch = batch.batch_digest;
    outcome.loss = batch_loss(table, options.num_iterations);
    outcome.metrics = {{"loss", outcome.loss},
                       {"grad_norm", norm},
                       {"learning_rate", learning_rate(batch.step.value, 0)},
                       {"num_tokens", static_cast<double>(num_tokens)}};
    for (const auto& part : {loss_metrics(options.loss, table, options.num_iterations), completion_metrics(sequences)})
      outcome.metrics.insert(outcome.metrics.end(), part.begin(), part.end());
    int64_t packed = 0;
    for (const Work& one : *work) packed += one.micro.num_tokens();
    outcome.metrics.emplace_back("learner/rank0_packed_tokens", static_cast<double>(packed));
    outcome.metrics.emplace_back("learner/update_seconds", std::chrono::duration<double>(Clock::now() - start).count());
    if (collective.rank() == 0) {
      const TraceSpan span(trace, "pack_weights", batch.step.value + 1);
      outcome.packed = protocol::make_snapshot(weights.pack());
      outcome.weights = outcome.packed->digest;
    }
    return outcome;
  }
};

GrpoTrainer::GrpoTrainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpoTrainer::~GrpoTrainer() = default;
void GrpoTrainer::on_progress(std::function<void()> callback) { impl_->progress = std::move(callback); }
void GrpoTrainer::trace_to(TraceWriter* trace) { impl_->trace = trace; }
size_t GrpoTrainer::audio_cache_hits() const { return impl_->policy_audio ? impl_->policy_audio->hits() : 0; }
const PolicyWeights& GrpoTrainer::weights() const { return impl_->weights; }
AdamW& GrpoTrainer::optimizer() { return *impl_->optimizer; }
int64_t GrpoTrainer::num_tokens() const { return impl_->num_tokens; }
void GrpoTrainer::set_num_tokens(int64_t tokens) { impl_->num_tokens = tokens; }
Result<GrpoOutcome> GrpoTrainer::step(const protocol::StepBatch& batch) { return impl_->step(batch); }

Result<std::unique_ptr<GrpoTrainer>> GrpoTrainer::create(const GrpoOptions& options, Model& policy,
                                                         const Model* reference, const Processor& processor,
                                                         Collective& collective) {
  PROSODIA_TRY(validate(options.loss));
  if (options.num_iterations < 1 || options.max_tokens_per_micro_batch < 1 || !(options.temperature > 0))
    return fail(ErrorCode::kUsage,
                "num_iterations {}, max_tokens_per_micro_batch {} and temperature {} must be positive",
                options.num_iterations, options.max_tokens_per_micro_batch, options.temperature);
  if (options.loss.beta != 0 && !reference)
    return fail(ErrorCode::kUsage, "beta {} needs a reference model", options.loss.beta);
  PROSODIA_ASSIGN(PolicyWeights weights, select_trainable(policy, options.freeze));
  LrScheduleOptions schedule = options.schedule;
  schedule.max_steps *= options.num_iterations;
  auto impl = std::unique_ptr<Impl>(new Impl{options, policy, options.loss.beta != 0 ? reference : nullptr, processor,
                                             collective, std::move(weights), schedule});
  impl->optimizer = std::make_unique<AdamW>(impl->weights.changing(), options.adamw, collective);
  if (!impl->weights.audio_changes()) impl->policy_audio = std::make_unique<AudioCache>();
  if (impl->reference) {
    if (impl->policy_audio && same_audio_parts(policy, *impl->reference)) {
      impl->reference_audio = impl->policy_audio.get();
    } else {
      impl->reference_audio_own = std::make_unique<AudioCache>();
      impl->reference_audio = impl->reference_audio_own.get();
    }
  }
  return std::unique_ptr<GrpoTrainer>(new GrpoTrainer(std::move(impl)));
}

}  // namespace prosodia
