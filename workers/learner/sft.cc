#include "workers/learner/sft.h"

#include <ATen/ATen.h>

#include <chrono>
#include <future>

#include "data/base/philox.h"
#include "workers/learner/checkpoint.h"
#include "workers/learner/forward.h"
#include "workers/learner/guarded.h"
#include "workers/learner/sft_identity.h"
#include "workers/learner/sft_progress.h"
#include "workers/learner/sft_stage.h"
#include "workers/learner/trainable.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class SftRun {
 public:
  SftRun(const SftOptions& options, Collective& collective)
      : options_(options), collective_(collective), store_(posix_file_system(), options.output_dir / "checkpoints") {}

  Result<SftReport> run() {
    PROSODIA_TRY(collective_.agree(open()));
    PROSODIA_TRY(resume());
    report_.resumed_from = progress_.step;
    const auto start = Clock::now();
    if (rank0() && options_.sink) logged_ = options_.sink->begin(progress_.step + 1, total_steps_);
    PROSODIA_TRY(collective_.agree(logged_));
    const Status status = all_stages();
    const bool in_order = status || status.error().code == ErrorCode::kInterrupted;
    if (rank0() && options_.sink && in_order) logged_ = options_.sink->finish();
    PROSODIA_TRY(status);
    PROSODIA_TRY(collective_.agree(logged_));
    report_.steps = progress_.step;
    report_.seconds = seconds_since(start);
    report_.best_metric = progress_.best_metric;
    report_.best_step = progress_.best_step;
    PROSODIA_TRY(write_result());
    return report_;
  }

 private:
  bool rank0() const { return collective_.rank() == 0; }
  OpenStage& stage() { return stages_[static_cast<size_t>(progress_.stage)]; }

  Status open() {
    PROSODIA_TRY(validate_sft(options_));
    PROSODIA_TRY(posix_file_system().create_dirs(options_.output_dir));
    if (rank0()) {
      PROSODIA_ASSIGN(lock_, store_.lock());
    }
    auto audio = std::make_shared<AudioStore>();
    audio_ = audio;
    PROSODIA_ASSIGN(processor_, Processor::load(options_.model_dir, audio, options_.processor));
    PROSODIA_ASSIGN(const fs::path base, base_model_dir(options_.model_dir));
    PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(base));
    const int64_t limit = config.text.max_position_embeddings;
    const SftInputs inputs{*processor_, *audio_, options_.max_length > 0 ? std::min(options_.max_length, limit) : limit,
                           collective_};
    for (const SftStage& one : stages_of(options_)) {
      const auto index = static_cast<uint64_t>(stages_.size());
      PROSODIA_ASSIGN(OpenStage opened,
                      OpenStage::open(one, index == 0 ? options_.seed : mix_seed(options_.seed, index), inputs));
      total_steps_ += opened.facts().max_steps;
      stages_.push_back(std::move(opened));
    }
    return {};
  }

  Status resume() {
    PROSODIA_ASSIGN(const auto found, find_checkpoint(store_, collective_));
    auto model = load_model(options_.model_dir, options_.model);
    PROSODIA_TRY(collective_.agree(model ? Status{} : tl::unexpected(model.error())));
    model_ = std::move(*model);
    PROSODIA_TRY(collective_.agree(identify(found)));
    if (!found) return begin_stage(0);
    const auto take_up = [&]() -> Status {
      PROSODIA_ASSIGN(const json extra, read_training_extra(*found));
      PROSODIA_ASSIGN(progress_, progress_from_json(extra.value("progress", json()), found->string()));
      if (progress_.stage < 0 || progress_.stage >= static_cast<int64_t>(stages_.size()))
        return fail(ErrorCode::kCorruption, "{}: is of stage {} of {}", found->string(), progress_.stage + 1,
                    stages_.size());
      saved_step_ = progress_.step;
      PROSODIA_TRY(model_->load_values(*found, stored_parameters()));
      return prepare_training();
    };
    PROSODIA_TRY(collective_.agree(take_up()));
    PROSODIA_ASSIGN(const TrainingState state, load_training_state(*found, collective_, *optimizer_));
    stage().data().skip_steps(progress_.stage_step);
    return {};
  }

  // The run's identity, compared with the checkpoint's. Rank 0 reads the files for all.
  Status identify(const std::optional<fs::path>& checkpoint) {
    if (!rank0()) return {};
    std::vector<SftStageFacts> facts;
    for (const OpenStage& opened : stages_) facts.push_back(opened.facts());
    PROSODIA_ASSIGN(identity_, sft_identity(options_, stages_of(options_), facts, *model_));
    if (!checkpoint) return {};
    PROSODIA_ASSIGN(const json extra, read_training_extra(*checkpoint));
    const auto difference = first_difference(extra.value("identity", json()), identity_);
    if (!difference) return {};
    return fail(ErrorCode::kUsage,
                "{} holds a run with {} = {}, this one has {}. Next: use the same options to go on, or another "
                "output_dir to start afresh",
                options_.output_dir.string(), difference->key, difference->before, difference->now);
  }

  // What a checkpoint holds of the model.
  std::vector<NamedParameter> stored_parameters() const {
    std::vector<NamedParameter> stored;
    for (const NamedParameter& parameter : model_->parameters())
      if (!model_->has_adapter() || model_->in_adapter(parameter.name)) stored.push_back(parameter);
    return stored;
  }

  // What trains in the stage in hand, and its optimizer from zero.
  Status prepare_training() {
    for (NamedParameter& parameter : model_->parameters()) parameter.tensor.mutable_grad() = at::Tensor();
    PROSODIA_ASSIGN(const PolicyWeights weights, select_trainable(*model_, stage().options().freeze));
    optimizer_ = std::make_unique<AdamW>(weights.changing(), stage().options().adamw, collective_);
    cache_ = weights.audio_changes() ? nullptr : std::make_unique<AudioCache>();
    return {};
  }

  Status begin_stage(int64_t index) {
    progress_.begin_stage(index);
    return collective_.agree(prepare_training());
  }

  Status all_stages() {
    while (true) {
      PROSODIA_TRY(train_stage());
      PROSODIA_TRY(save());
      PROSODIA_TRY(take_best());
      if (progress_.stage + 1 == static_cast<int64_t>(stages_.size())) return {};
      PROSODIA_TRY(begin_stage(progress_.stage + 1));
    }
  }

  bool stage_over() { return progress_.stopped_early || progress_.stage_step >= stage().facts().max_steps; }

  Status train_stage() {
    if (stage_over()) return {};
    if (stages_.size() > 1) note(stage().announcement(progress_.stage, stages_.size(), progress_.stage_step));
    SftData& data = stage().data();
    auto pending = std::async(std::launch::async, [&data] { return data.next(); });
    while (!stage_over()) {
      const auto start = Clock::now();
      auto batch = pending.get();
      PROSODIA_TRY(collective_.agree(batch ? Status{} : tl::unexpected(batch.error())));
      if (progress_.stage_step + 1 < stage().facts().max_steps)
        pending = std::async(std::launch::async, [&data] { return data.next(); });
      PROSODIA_ASSIGN(SftLog log, train_step(*batch, stage().learning_rate(progress_.stage_step)));
      log.step_seconds = seconds_since(start);
      PROSODIA_TRY(after_step(std::move(log)));
    }
    return {};
  }

  Result<SftLog> train_step(const SftStepData& batch, double learning_rate) {
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
      alive();
      loss += sum.item<double>();
    }
    PROSODIA_TRY(collective_.all_reduce_sum(std::span(&loss, 1)));
    auto norm = optimizer_->step(learning_rate);
    PROSODIA_TRY(norm ? Status{} : tl::unexpected(norm.error()));
    SftLog log;
    log.learning_rate = learning_rate;
    log.grad_norm = *norm;
    log.loss = loss / kept;
    log.num_tokens = static_cast<int64_t>(counts[0]);
    log.num_input_tokens = static_cast<int64_t>(counts[1]);
    return log;
  }

  Status after_step(SftLog log) {
    ++progress_.step;
    if (rank0() && options_.on_step) options_.on_step(progress_.step, total_steps_);
    ++progress_.stage_step;
    progress_.window_loss_sum += log.loss;
    ++progress_.window_steps;
    progress_.num_input_tokens_seen += log.num_input_tokens;
    if (report_.losses.empty()) report_.first_loss = log.loss;
    report_.last_loss = log.loss;
    report_.losses.push_back(log.loss);
    report_.num_tokens += log.num_tokens;
    bool new_best = false;
    if (stage().evaluation_due(progress_.stage_step, options_.on_eval != nullptr)) {
      PROSODIA_ASSIGN(new_best, evaluate(log));
    }
    PROSODIA_TRY(write_log(std::move(log)));
    const bool wanted = options_.save_steps > 0 && progress_.step % options_.save_steps == 0;
    if (wanted || (new_best && stage().options().load_best_model_at_end)) PROSODIA_TRY(save());
    if (!stopping_ || progress_.step == total_steps_) return {};
    PROSODIA_TRY(save());
    return fail(ErrorCode::kInterrupted, "stopped after step {} of {}; saved. Next: the same command goes on",
                progress_.step, total_steps_);
  }

  // True when the evaluation is the stage's best so far.
  Result<bool> evaluate(SftLog& log) {
    const SftStage& options = stage().options();
    bool new_best = false;
    if (stage().eval_set()) {
      PROSODIA_ASSIGN(const SftEvaluation found,
                      stage().eval_set()->evaluate(*model_, cache_.get(), [this] { alive(); }));
      log.evaluation = {{"eval_loss", found.loss},
                        {"eval_mean_token_accuracy", found.mean_token_accuracy},
                        {"eval_runtime", found.seconds}};
      PROSODIA_ASSIGN(const std::string metric, best_metric_name(options));
      new_best = note_evaluation(options, log.evaluation.at(metric), progress_);
      if (early_stopping_due(options, progress_)) {
        progress_.stopped_early = true;
        note(fmt::format(
            "early stopping after step {}: {} evaluation(s) without improvement; best {} {:.6g} at step {}",
            progress_.step, progress_.evaluations_unimproved, metric, *progress_.best_metric, progress_.best_step));
      }
    }
    if (options_.on_eval) {
      const at::NoGradGuard no_grad;
      PROSODIA_TRY(collective_.agree(options_.on_eval(progress_.step, *model_, *processor_)));
    }
    return new_best;
  }

  // A line of metrics when one is due: with the training's numbers every logging_steps and at a stage's end, with an
  // evaluation's whenever there was one.
  Status write_log(SftLog log) {
    const bool due = progress_.step % std::max<int64_t>(1, options_.logging_steps) == 0 || stage_over();
    if (due) {
      log.loss = progress_.window_loss_sum / static_cast<double>(progress_.window_steps);
      progress_.window_loss_sum = 0;
      progress_.window_steps = 0;
    }
    if (!rank0() || (!due && log.evaluation.empty())) return {};
    log.has_training = due;
    log.step = progress_.step;
    log.max_steps = total_steps_;
    log.stage = static_cast<int>(progress_.stage);
    log.num_stages = static_cast<int>(stages_.size());
    log.stage_name = stage().options().name;
    log.epoch = stage().epochs(progress_.stage_step);
    log.num_input_tokens_seen = progress_.num_input_tokens_seen;
    if (options_.on_log) options_.on_log(log);
    if (options_.sink) logged_ = options_.sink->on_log(log);
    return {};
  }

  Status save() {
    PROSODIA_TRY(collective_.agree(logged_));
    if (saved_step_ == progress_.step) return {};
    Status synced;
    if (rank0() && options_.sink) synced = options_.sink->sync();
    PROSODIA_TRY(collective_.agree(synced));
    const TrainingState state{progress_.step, {{"identity", identity_}, {"progress", to_json(progress_)}}, {}};
    std::optional<uint64_t> best;
    if (stage().options().load_best_model_at_end && progress_.best_metric)
      best = static_cast<uint64_t>(progress_.best_step);
    PROSODIA_TRY(save_checkpoint(store_, collective_, *model_, *optimizer_, state, options_.model_dir,
                                 {.newest = options_.save_total_limit, .besides = best}));
    saved_step_ = progress_.step;
    return {};
  }

  // At a stage's end: its best weights, when they are wanted and are not the last.
  Status take_best() {
    if (!stage().options().load_best_model_at_end || !progress_.best_metric || progress_.best_step == progress_.step)
      return {};
    PROSODIA_TRY(collective_.agree(
        model_->load_values(store_.path_of(static_cast<uint64_t>(progress_.best_step)), stored_parameters())));
    note(fmt::format("best model of the stage: step {} ({:.6g})", progress_.best_step, *progress_.best_metric));
    return {};
  }

  Status write_result() {
    Status status;
    if (rank0()) status = save_policy(*model_, options_.model_dir, options_.output_dir);
    return collective_.agree(status);
  }

  void alive() const {
    if (rank0() && options_.on_alive) options_.on_alive();
  }

  void note(const std::string& line) {
    if (rank0() && options_.on_note) options_.on_note(line);
  }

  const SftOptions& options_;
  Collective& collective_;
  CheckpointStore store_;
  std::unique_ptr<FileLock> lock_;  // rank 0
  std::shared_ptr<AudioStore> audio_;
  std::unique_ptr<Processor> processor_;
  std::vector<OpenStage> stages_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<AdamW> optimizer_;
  std::unique_ptr<AudioCache> cache_;
  json identity_;  // rank 0
  SftReport report_;
  SftProgress progress_;
  Status logged_;  // the sink's, on rank 0; told to all before the next checkpoint
  int64_t saved_step_ = -1, total_steps_ = 0;
  bool stopping_ = false;
};

}  // namespace

Result<SftReport> train_sft(const SftOptions& options, Collective& collective) {
  return guarded("sft", [&] { return SftRun(options, collective).run(); });
}

}  // namespace prosodia
