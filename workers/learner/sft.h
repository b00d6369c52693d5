// Supervised fine-tuning: next-token loss on assistant turns only, the mean over kept tokens of the global batch.
//
// Called by the `sft` command and by tests, on every rank of a Collective. Thread rule: one call at a time on one
// thread (it starts one helper thread that prepares the next batch). Failure rule: the same typed error on every rank;
// kInterrupted when stop_requested said so and the checkpoint is saved.
//
// Determinism: the order of samples is a function of (seed, datasets, batch size); the same options and number of ranks
// give the same bits, with or without interruption: a rerun goes on from the newest checkpoint in output_dir.
// Results: output_dir is a Hugging Face folder (with an adapter: a peft folder) when the call returns OK;
// output_dir/checkpoints holds the state; output_dir/metrics.jsonl has one object for each logged step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
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

struct SftLog {      // one optimizer step
  int64_t step = 0;  // steps done, from 1
  int64_t max_steps = 0;
  double epoch = 0;      // samples seen / rows
  double loss = 0;       // mean -log p over kept tokens of the global batch
  double grad_norm = 0;  // before clipping
  double learning_rate = 0;
  int64_t num_tokens = 0;        // kept tokens of this step
  int64_t num_input_tokens = 0;  // tokens run in this step
  double step_seconds = 0;
};

struct SftOptions {
  std::filesystem::path model_dir;
  std::filesystem::path output_dir;
  std::vector<SftDataset> datasets;
  int64_t per_device_train_batch_size = 8;  // conversations per rank and step
  int64_t gradient_accumulation_steps = 1;  // multiplies the batch; micro-batches follow max_tokens_per_micro_batch
  int64_t max_steps = -1;                   // > 0 wins over num_train_epochs
  double num_train_epochs = 3.0;
  double learning_rate = 1e-5;
  LrSchedulerType lr_scheduler_type = LrSchedulerType::kLinear;
  double warmup_ratio = 0.0;
  int64_t warmup_steps = 0;
  AdamWOptions adamw;  // weight_decay, betas, max_grad_norm
  FreezeSpec freeze;   // parts that do not train
  uint64_t seed = 42;
  int64_t max_tokens_per_micro_batch = 8192;
  int64_t max_length = 0;  // tokens; longer conversations are an error that names the row; 0 = the model's limit
  int64_t save_steps = 0;  // 0 = only at the end and when stopped
  int save_total_limit = 2;
  int64_t logging_steps = 10;
  int64_t eval_steps = 0;  // 0 = never
  // Which of a conversation's targets count: edits its assistant_mask, from any thread. `targets` names the choice in
  // the run's identity; "" and no function: all of the assistant's turns.
  std::string targets = {};
  std::function<Status(const Sample&, EncodedPrompt&)> select_targets = {};
  ModelOptions model;
  ProcessorOptions processor;
  std::function<void(const SftLog&)> on_log;  // rank 0, every logging_steps and the last step
  std::function<Status(int64_t step, const Model&, const Processor&)> on_eval;  // every rank, every eval_steps and last
  std::function<bool()> stop_requested;                                         // asked between steps on every rank
};

struct SftReport {
  int64_t steps = 0;
  int64_t resumed_from = 0;  // 0 = started fresh
  double first_loss = 0, last_loss = 0;
  double seconds = 0;
  int64_t num_tokens = 0;
  std::vector<double> losses;  // of the steps this call ran
};

Result<SftReport> train_sft(const SftOptions& options, Collective& collective);

}  // namespace prosodia
