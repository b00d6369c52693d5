// A small model, a set of twelve conversations and short options: what the tests of SFT start from.
#pragma once

#include <gtest/gtest.h>

#include "tests/unit/learner/fixtures.h"

namespace prosodia::testing_support {

class SftTest : public testing::Test {
 protected:
  SftTest() : ranks_(single_rank_collective()) {
    write_model_dir(dir_ / "model");
    for (const char* clip : {"a.wav", "b.wav"}) std::filesystem::copy(dir_ / "model" / clip, dir_ / clip);
    write_sft_dataset(dir_ / "train.jsonl", 12);
  }
  SftOptions options(const std::string& out) const {
    SftOptions options;
    options.model_dir = dir_ / "model";
    options.output_dir = dir_ / out;
    options.datasets = {{dir_ / "train.jsonl", {}}};
    options.per_device_train_batch_size = 4;
    options.max_steps = 6;
    options.learning_rate = 3e-3;
    options.lr_scheduler_type = LrSchedulerType::kCosine;
    options.warmup_steps = 1;
    options.logging_steps = 1;
    options.seed = 3;
    return options;
  }
  SftReport train(const SftOptions& options) { return value_of(train_sft(options, *ranks_)); }

  TempDir dir_;
  std::unique_ptr<Collective> ranks_;
};

// Keeps what a run reports.
class LogSink : public SftSink {
 public:
  Status begin(int64_t first_step, int64_t max_steps) override {
    first = first_step;
    total = max_steps;
    return {};
  }
  Status on_log(const SftLog& log) override {
    logs.push_back(log);
    return fails_at == log.step ? fail(ErrorCode::kStorage, "the disk is full") : Status();
  }
  Status sync() override {
    ++syncs;
    return {};
  }
  Status finish() override {
    ++finishes;
    return {};
  }
  int64_t first = 0, total = 0, fails_at = 0;
  int syncs = 0, finishes = 0;
  std::vector<SftLog> logs;
};

}  // namespace prosodia::testing_support
