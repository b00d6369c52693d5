// What people watch of an SFT run: RUN/metrics.jsonl, a TensorBoard event file, RUN/curves.svg, RUN/report.html and a
// progress line. Names are transformers' and TRL's: in metrics.jsonl those of log_history (loss, eval_loss, grad_norm,
// learning_rate, epoch, num_tokens, num_input_tokens_seen), in TensorBoard with "train/" or "eval/" in front, as
// transformers' callback writes them. num_tokens and num_input_tokens_seen are the same here: there is no padding.
//
// Used by `sft` and whoever trains with train_sft. Thread rule and failures: as SftSink.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "workers/learner/sft.h"

namespace prosodia::cli {

// `config_ini`: the resolved options, written to RUN/config.ini once the run has been accepted.
std::unique_ptr<SftSink> make_sft_monitor(std::filesystem::path run_dir, std::string config_ini);

// "sft    40/320 loss 1.2345 …", without a line break. `who` stands in front.
std::string sft_progress_line(const SftLog& log, const std::string& who);

}  // namespace prosodia::cli
