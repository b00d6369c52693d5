#include "workers/learner/sft.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <future>

#include "data/store/atomic_file.h"
#include "workers/learner/checkpoint.h"
#include "workers/learner/forward.h"
#include "workers/learner/guarded.h"
#include "workers/learner/sft_data.h"
#include "workers/learner/trainable.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

Status validate(const SftOptions& options) {
  if (options.datasets.empty()) return fail(ErrorCode::kUsage, "sft: no dataset. Next: give --dataset FILE.jsonl");
  if (options.per_device_train_batch_size < 1 || options.gradient_accumulation_steps < 1)
    return fail(ErrorCode::kUsage, "sft: per_device_train_batch_size and gradient_accumulation_steps are at least 1");
  if (options.max_steps <= 0 && !(options.num_train_epochs > 0))
    return fail(ErrorCode::kUsage, "sft: nothing to do: max_steps {} and num_train_epochs {}", options.max_steps,
                options.num_train_epochs);
  if (options.max_tokens_per_micro_batch < 1)
    return fail(ErrorCode::kUsage, "sft: max_tokens_per_micro_batch {}: expected at least 1",
                options.max_tokens_per_micro_batch);
  if (!(options.learning_rate > 0) || options.warmup_ratio < 0 || options.warmup_ratio > 1)
    return fail(ErrorCode::kUsage, "sft: learning_rate {} must be positive, warmup_ratio {} within 0 and 1",
                options.learning_rate, options.warmup_ratio);
  return {};
}

class SftRun {
 public:
  SftRun(const SftOptions& options, Collective& collective)
      : options_(options), collective_(collective), store_(posix_file_system(), options.output_dir / "checkpoints") {}

  Result<SftReport> run() {
    auto opened = open();
    PROSODIA_TRY(collective_.agree(opened));
    PROSODIA_TRY(resume());
    report_.resumed_from = step_;
    const auto start = Clock::now();
    PROSODIA_TRY(train());
    report_.steps = step_;
    report_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    PROSODIA_TRY(write_result());
    return report_;
  }

 private:
  Status open() {
    PROSODIA_TRY(validate(options_));
    auto audio = std::make_shared<AudioStore>();
    audio_ = audio;
    PROSODIA_ASSIGN(processor_, Processor::load(options_.model_dir, audio, options_.processor));
    PROSODIA_TRY(posix_file_system().create_dirs(options_.output_dir));
    PROSODIA_ASSIGN(const fs::path base, base_model_dir(options_.model_dir));
    PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(base));
    const int64_t limit = config.text.max_position_embeddings;
    const int64_t max_length = options_.max_length > 0 ? std::min(options_.max_length, limit) : limit;
    PROSODIA_ASSIGN(data_,
                    SftData::load(options_, *processor_, *audio_, max_length, collective_.rank(), collective_.size()));
    const double per_epoch = static_cast<double>(data_->num_rows()) / static_cast<double>(data_->global_batch());
    max_steps_ = options_.max_steps > 0
                     ? options_.max_steps
                     : std::max<int64_t>(1, static_cast<int64_t>(std::ceil(options_.num_train_epochs * per_epoch)));
    schedule_ = {options_.learning_rate, options_.lr_scheduler_type, options_.warmup_steps, options_.warmup_ratio,
                 max_steps_};
    return {};
  }

  // What must not change between a run and its continuation.
  json identity() const {
    json datasets = json::array();
    for (const SftDataset& dataset : options_.datasets)
      datasets.push_back({{"path", fs::weakly_canonical(fs::absolute(dataset.path)).string()},
                          {"weight", dataset.weight ? json(*dataset.weight) : json()}});
    json identity = {{"seed", options_.seed},
                     {"global_batch", data_->global_batch()},
                     {"dataset_rows", data_->sizes()},
                     {"max_steps", max_steps_},
                     {"datasets", datasets},
                     {"learning_rate", options_.learning_rate},
                     {"lr_scheduler_type", name(options_.lr_scheduler_type)},
                     {"warmup_steps", options_.warmup_steps},
                     {"warmup_ratio", options_.warmup_ratio},
                     {"adam_beta1", options_.adamw.beta1},
                     {"adam_beta2", options_.adamw.beta2},
                     {"adam_epsilon", options_.adamw.eps},
                     {"weight_decay", options_.adamw.weight_decay},
                     {"max_grad_norm", options_.adamw.max_grad_norm},
                     {"freeze", options_.freeze.words()},
                     {"dtype", options_.model.dtype},
                     {"adapter", adapter_identity()}};
    if (!options_.targets.empty()) identity["targets"] = options_.targets;
    return identity;
  }

  json adapter_identity() const {
    if (!model_->has_adapter()) return {};
    const LoraOptions& lora = model_->adapter_options();
    return {{"lora_r", lora.r}, {"lora_alpha", lora.lora_alpha}, {"use_rslora", lora.use_rslora}};
  }

  Status resume() {
    PROSODIA_ASSIGN(const auto found, find_checkpoint(store_, collective_));
    auto model = load_model(options_.model_dir, options_.model);
    PROSODIA_TRY(collective_.agree(model ? Status{} : tl::unexpected(model.error())));
    model_ = std::move(*model);
    if (found) PROSODIA_TRY(collective_.agree(check_same_run(*found)));
    PROSODIA_TRY(collective_.agree(prepare_training(found)));
    if (!found) return collective_.agree(open_metrics());
    PROSODIA_ASSIGN(const TrainingState state, load_training_state(*found, collective_, *optimizer_));
    step_ = state.step;
    saved_step_ = step_;
    data_->skip_steps(step_);
    return collective_.agree(open_metrics());
  }

  Status check_same_run(const fs::path& checkpoint) const {
    PROSODIA_ASSIGN(const json before, read_training_extra(checkpoint));
    const json now = identity();
    for (const auto& [key, value] : now.items())
      if (before.value(key, json()) != value)
        return fail(
            ErrorCode::kUsage,
            "sft: {} holds a run with {} = {}, this one has {}. Next: use the same options to go on, or another "
            "output_dir to start afresh",
            options_.output_dir.string(), key, before.value(key, json()).dump(), value.dump());
    return {};
  }

  Status prepare_training(const std::optional<fs::path>& checkpoint) {
    PROSODIA_ASSIGN(const PolicyWeights weights, select_trainable(*model_, options_.freeze));
    if (checkpoint) PROSODIA_TRY(model_->load_values(*checkpoint, weights.changing()));
    optimizer_ = std::make_unique<AdamW>(weights.changing(), options_.adamw, collective_);
    if (!weights.audio_changes()) cache_ = std::make_unique<AudioCache>();
    return {};
  }

  Status train() {
    if (step_ >= max_steps_) return {};
    auto pending = std::async(std::launch::async, [this] { return data_->next(); });
    while (step_ < max_steps_) {
      const auto start = Clock::now();
      auto batch = pending.get();
      PROSODIA_TRY(collective_.agree(batch ? Status{} : tl::unexpected(batch.error())));
      if (step_ + 1 < max_steps_) pending = std::async(std::launch::async, [this] { return data_->next(); });
      PROSODIA_ASSIGN(SftLog log, train_step(*batch));
      log.step_seconds = std::chrono::duration<double>(Clock::now() - start).count();
      PROSODIA_TRY(after_step(log));
    }
    return save();
  }

  Result<SftLog> train_step(const SftStepData& batch) {
    const bool stop = options_.stop_requested && options_.stop_requested();
    std::vector<double> counts = {static_cast<double>(batch.kept_tokens), static_cast<double>(batch.input_tokens),
                                  stop ? 1.0 : 0.0};
    PROSODIA_TRY(collective_.all_reduce_sum(std::span(counts)));
    stopping_ = counts[2] > 0;
    const double kept = std::max(1.0, counts[0]);
    optimizer_->zero_grad();
    double loss = 0;
    for (const MicroBatch& micro : batch.micro_batches) {
      const at::Tensor sum = -micro_batch_logprobs(*model_, micro, 1.0, false, cache_.get()).logprobs.sum();
      (sum / kept).backward();
      loss += sum.item<double>();
    }
    PROSODIA_TRY(collective_.all_reduce_sum(std::span(&loss, 1)));
    SftLog log;
    log.learning_rate = learning_rate_at(schedule_, step_);
    auto norm = optimizer_->step(log.learning_rate);
    PROSODIA_TRY(norm ? Status{} : tl::unexpected(norm.error()));
    log.grad_norm = *norm;
    log.step = ++step_;
    log.max_steps = max_steps_;
    log.loss = loss / kept;
    log.num_tokens = static_cast<int64_t>(counts[0]);
    log.num_input_tokens = static_cast<int64_t>(counts[1]);
    log.epoch = static_cast<double>(step_ * data_->global_batch()) / static_cast<double>(data_->num_rows());
    return log;
  }

  Status after_step(const SftLog& log) {
    if (report_.losses.empty()) report_.first_loss = log.loss;
    report_.last_loss = log.loss;
    report_.losses.push_back(log.loss);
    report_.num_tokens += log.num_tokens;
    const bool last = step_ == max_steps_;
    if (collective_.rank() == 0 && (step_ % std::max<int64_t>(1, options_.logging_steps) == 0 || last)) {
      if (options_.on_log) options_.on_log(log);
      metrics_ << json{{"step", log.step},
                       {"loss", log.loss},
                       {"grad_norm", log.grad_norm},
                       {"learning_rate", log.learning_rate},
                       {"epoch", log.epoch},
                       {"num_tokens", log.num_tokens},
                       {"step_time", log.step_seconds}}
                      .dump()
               << std::endl;
    }
    if (options_.on_eval && options_.eval_steps > 0 && (step_ % options_.eval_steps == 0 || last)) {
      at::NoGradGuard no_grad;
      PROSODIA_TRY(collective_.agree(options_.on_eval(step_, *model_, *processor_)));
    }
    if (options_.save_steps > 0 && step_ % options_.save_steps == 0) PROSODIA_TRY(save());
    if (!stopping_ || last) return {};
    PROSODIA_TRY(save());
    return fail(ErrorCode::kInterrupted, "sft: stopped after step {} of {}; saved. Next: the same command goes on",
                step_, max_steps_);
  }

  Status save() {
    if (saved_step_ == step_) return {};
    const TrainingState state{step_, identity(), {}};
    PROSODIA_TRY(save_checkpoint(store_, collective_, *model_, *optimizer_, state, options_.model_dir,
                                 options_.save_total_limit));
    saved_step_ = step_;
    return {};
  }

  // Keeps the lines of steps that the checkpoint holds, and opens the file for more.
  Status open_metrics() {
    if (collective_.rank() != 0) return {};
    const fs::path path = options_.output_dir / "metrics.jsonl";
    std::ifstream in(path);
    std::string kept;
    for (std::string line; std::getline(in, line);) {
      const json row = json::parse(line, nullptr, false);
      if (row.is_object() && row.value("step", int64_t{0}) <= step_) kept += line + "\n";
    }
    PROSODIA_TRY(write_file_atomic(posix_file_system(), path, as_byte_span(kept)));
    metrics_.open(path, std::ios::app);
    return {};
  }

  Status write_result() {
    Status status;
    if (collective_.rank() == 0) {
      status = save_policy(*model_, options_.model_dir, options_.output_dir);
    }
    return collective_.agree(status);
  }

  const SftOptions& options_;
  Collective& collective_;
  CheckpointStore store_;
  std::shared_ptr<AudioStore> audio_;
  std::unique_ptr<Processor> processor_;
  std::unique_ptr<SftData> data_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<AudioCache> cache_;
  LrScheduleOptions schedule_;
  std::ofstream metrics_;
  SftReport report_;
  int64_t step_ = 0, saved_step_ = -1, max_steps_ = 0;
  bool stopping_ = false;
};

}  // namespace

Result<SftReport> train_sft(const SftOptions& options, Collective& collective) {
  return guarded("sft", [&] { return SftRun(options, collective).run(); });
}

}  // namespace prosodia
