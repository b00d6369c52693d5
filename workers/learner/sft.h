// Supervised fine-tuning: next-token loss on assistant turns only (all of them), the mean over kept tokens of the
// global batch. A run is one stage or several: a stage has its own mixture, schedule, optimizer and frozen parts, and
// begins with the weights of the stage before (its best ones when the stage asked for load_best_model_at_end).
//
// Called by the `sft` command and by tests, on every rank of a Collective. Thread rule: one call at a time on one
// thread (it starts one helper thread that prepares the next batch). Failure rule: the same typed error on every rank;
// kInterrupted when stop_requested said so and the checkpoint is saved; kUnavailable when another process trains in
// output_dir (named).
//
// Packing: a micro-batch lays several conversations end to end, up to max_tokens_per_micro_batch tokens, in one
// forward; each is a segment of its own with positions from 0 and attends to itself alone, so its log-probabilities
// have the same bits as when it runs by itself (packing.h; SftPacking tests).
//
// Determinism: the order of samples is a function of (seed, datasets, batch size); the same options and number of ranks
// give the same bits, with or without interruption: a rerun goes on from the newest checkpoint in output_dir, inside
// the stage it belongs to. An evaluation's bits do not depend on ranks or packing either.
// Results: output_dir is a Hugging Face folder (with an adapter: a peft folder) when the call returns OK;
// output_dir/checkpoints holds the state. Metrics go to `sink`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/base/status.h"
#include "workers/learner/collective.h"
#include "workers/learner/lr_schedule.h"
#include "workers/learner/train_options.h"
#include "workers/model/freeze.h"
#include "workers/model/load.h"
#include "workers/model/processor.h"

namespace prosodia {

class Model;

struct SftDataset {
  std::filesystem::path path;    // JSONL; every row ends with an assistant turn
  std::optional<double> weight;  // share of the mixture, > 0; unset = its number of rows
};

enum class EvalStrategy { kNo, kSteps, kEpoch };  // transformers' eval_strategy

// What one stage may have of its own. Names and meanings as in transformers' TrainingArguments where it has them.
struct SftStage {
  std::string name;  // for messages; may be empty
  std::vector<SftDataset> datasets;
  int64_t per_device_train_batch_size = 8;  // conversations per rank and micro-step
  int64_t gradient_accumulation_steps = 1;  // multiplies the batch; micro-batches follow max_tokens_per_micro_batch
  int64_t max_steps = -1;                   // > 0 wins over num_train_epochs
  double num_train_epochs = 3.0;
  double learning_rate = 1e-5;
  LrSchedulerType lr_scheduler_type = LrSchedulerType::kLinear;
  double warmup_ratio = 0.0;
  int64_t warmup_steps = 0;  // > 0 wins over warmup_ratio
  AdamWOptions adamw;        // weight_decay, betas, max_grad_norm
  FreezeSpec freeze;         // parts that do not train
  int64_t max_tokens_per_micro_batch = 8192;

  std::vector<std::filesystem::path> eval_datasets;  // JSONL, evaluated as one set; empty = none
  EvalStrategy eval_strategy = EvalStrategy::kSteps;
  int64_t eval_steps = 0;                 // kSteps: every so many steps of the stage, and the last; 0 = never
  bool load_best_model_at_end = false;    // end with the best evaluation's weights; its checkpoint is kept
  std::string metric_for_best_model;      // "eval_loss" (default) or "eval_mean_token_accuracy"; "eval_" may lack
  std::optional<bool> greater_is_better;  // unset: unless the metric's name ends in "loss"
  int64_t early_stopping_patience = 0;    // evaluations in a row without improvement that end the stage; 0 = off
  double early_stopping_threshold = 0.0;  // the least change that is an improvement to early stopping

  // Which of a conversation's targets count, in training: edits its assistant_mask, from any thread. `targets` names
  // the choice in the run's identity; "" and no function: all of the assistant's turns.
  std::string targets;
  std::function<Status(const Sample&, EncodedPrompt&)> select_targets;
};

struct SftLog {           // one line of metrics
  int64_t step = 0;       // steps done in the run, from 1
  int64_t max_steps = 0;  // of the run
  int stage = 0;          // from 0
  int num_stages = 1;
  std::string stage_name;
  bool has_training = true;      // false: an evaluation alone; the next fields up to step_seconds are then not set
  double epoch = 0;              // samples seen in this stage / its rows
  double loss = 0;               // mean over the steps since the last line of: mean -log p over the batch's kept tokens
  double grad_norm = 0;          // of the last step, before clipping
  double learning_rate = 0;      // of the last step
  int64_t num_tokens = 0;        // kept tokens of the last step
  int64_t num_input_tokens = 0;  // tokens run in the last step
  int64_t num_input_tokens_seen = 0;         // tokens run since the beginning of the run
  double step_seconds = 0;                   // of the last step
  std::map<std::string, double> evaluation;  // "eval_loss", "eval_mean_token_accuracy", "eval_runtime"; empty = none
};

// Where metrics go; called on rank 0 only, from the thread of train_sft. Errors end the run.
class SftSink {
 public:
  virtual ~SftSink() = default;
  // Once, before the first step: what an earlier process reported about first_step and later ones is void.
  virtual Status begin(int64_t first_step, int64_t max_steps) = 0;
  virtual Status on_log(const SftLog&) = 0;
  virtual Status sync() = 0;    // before a checkpoint commits: steps before it are never reported again
  virtual Status finish() = 0;  // the run has ended well or was interrupted
};

struct SftOptions : SftStage {
  std::filesystem::path model_dir;
  std::filesystem::path output_dir;
  std::vector<SftStage> stages;  // in order; empty = one stage, this object's own fields
  uint64_t seed = 42;
  int64_t max_length = 0;    // tokens; longer conversations are an error that names the row; 0 = the model's limit
  int64_t save_steps = 0;    // 0 = only at the end of a stage and when stopped
  int save_total_limit = 2;  // newest checkpoints kept, >= 1; the best one is kept besides
  int64_t logging_steps = 10;
  ModelOptions model;
  ProcessorOptions processor;
  SftSink* sink = nullptr;                          // not owned
  std::function<void(const SftLog&)> on_log;        // rank 0, with every line
  std::function<void(const std::string&)> on_note;  // rank 0: a stage begins, early stopping, … one line for people
  std::function<void(int64_t step, int64_t total)> on_step;  // rank 0, with every step of the run
  std::function<void()> on_alive;                            // rank 0, at least once a micro-batch: for a watchdog
  std::function<Status(int64_t step, const Model&, const Processor&)> on_eval;  // every rank, with every evaluation
  std::function<bool()> stop_requested;                                         // asked between steps on every rank
};

struct SftReport {
  int64_t steps = 0;
  int64_t resumed_from = 0;  // 0 = started fresh
  double first_loss = 0, last_loss = 0;
  double seconds = 0;
  int64_t num_tokens = 0;
  std::vector<double> losses;         // of the steps this call ran
  std::optional<double> best_metric;  // of the last stage, when it has evaluations
  int64_t best_step = 0;
};

Result<SftReport> train_sft(const SftOptions& options, Collective& collective);

}  // namespace prosodia
