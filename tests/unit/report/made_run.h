// A run folder made for tests: metrics, configuration, archived groups with hostile texts, traces.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>

#include "data/trace/trace_writer.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/report/report_model.h"

namespace prosodia::testing {

inline const std::string kHostile =
    "</script><script>document.title='owned'</script><!-- <img src=x onerror=\"document.title='owned'\"> "
    "\xf0\x9f\x98\x80 \xff ]]>";

struct MadeRun {
  uint64_t steps = 10;
  uint32_t groups = 4, responses = 4;
  std::string name = "run </title> & \"one\"";
  std::string filler;  // further reasoning, for size
};

inline protocol::BatchGroup made_group(const MadeRun& made, uint64_t step, uint32_t slot) {
  static const char* const kLabels[] = {"happy", "sad", "angry", "neutral"};
  protocol::BatchGroup group;
  const uint64_t id = step * made.groups + slot;
  group.group_id = group.rollout.group_id = group.reward.group_id = GroupId(id);
  const std::string label = kLabels[id % 4];
  const nlohmann::json row = {{"id", "row-" + std::to_string(id % 50)},
                              {"messages", {{{"role", "user"}, {"content", "<audio>How does </script> she feel?"}}}},
                              {"audios", {"/nowhere/corpus.h5#utt-" + std::to_string(id % 50)}},
                              {"solution", label},
                              {"transcript", "it is <b>late</b> & cold"},
                              {"prosody", {{"pitch", "high"}, {"energy", "low"}}}};
  group.row_json = row.dump();
  group.reward.tau = 0.8;
  group.reward.gate = 1;
  for (uint32_t k = 0; k < made.responses; ++k) {
    const bool right = (id + k) % 3 != 0;
    protocol::Completion completion;
    completion.text = "<think>The pitch is high and the energy is high. " + (k == 0 ? kHostile : made.filler) +
                      "</think><answer>" + (right ? label : "whisper") + "</answer>";
    completion.token_ids = {1, 2, 3};
    completion.logprobs = {-1, -1, -1};
    group.rollout.completions.push_back(std::move(completion));
    protocol::ResponseScore score;
    score.scored = score.present = true;
    score.format = 1;
    score.accuracy = right;
    score.reasoning_status = k == 3 ? protocol::ReasoningStatus::kTimeout : protocol::ReasoningStatus::kValue;
    score.criteria = {3, 4, 5, 2};
    score.reasoning = 0.7;
    score.claims = 2;
    score.true_claims = 1;
    score.faithfulness = 0.5;
    score.total = 0.3 + score.accuracy + 0.01 * k;
    group.reward.responses.push_back(score);
  }
  return group;
}

inline void write_made_metrics(const MadeRun& made, const std::filesystem::path& dir) {
  auto metrics = JsonlFile::open(posix_file_system(), dir / "metrics.jsonl", 1).value();
  for (uint64_t step = 1; step <= made.steps; ++step) {
    StepReport report{.step = step, .total_steps = made.steps, .wall_time = 1e9 + 2.0 * static_cast<double>(step)};
    for (int m = 0; m < 60; ++m)  // a real run has about so many
      report.metrics["ft/results_rejected/r" + std::to_string(m)] = std::sin(static_cast<double>(step * 7 + m)) * 1e-3;
    report.metrics[metric::kReward] = 1 + 0.3 * std::sin(static_cast<double>(step));
    report.metrics[metric::kAccuracy] = 0.5;
    report.metrics[metric::kGate] = step > made.steps / 2;
    report.metrics["rewards/accuracy/emotion/happy"] = 0.4;
    report.phase_seconds = {{"rollout", 1.2}, {"train", 0.6}};
    metrics->add(metrics_line(report));
  }
  (void)metrics->sync();
}

inline void write_made_archive(const MadeRun& made, const std::filesystem::path& dir) {
  std::vector<ArchivedStep> steps;
  for (uint64_t step = 0; step < made.steps; ++step) {
    protocol::StepBatch batch;
    batch.step = StepId(step);
    for (uint32_t slot = 0; slot < made.groups; ++slot) batch.groups.push_back(made_group(made, step, slot));
    batch.batch_digest = protocol::digest_of(batch.groups);
    steps.push_back({std::move(batch), 0.1, Digest()});
  }
  (void)write_segment(posix_file_system(), dir / "rollouts", steps);
}

inline void write_made_trace(const MadeRun& made, const std::filesystem::path& dir) {
  using std::chrono::milliseconds;
  const auto start = TraceWriter::Clock::now();
  for (const char* process : {"coordinator", "learner-0", "rollout-0"}) {
    const auto writer = TraceWriter::open(posix_file_system(), dir, process).value();
    for (uint64_t step = 1; step <= made.steps; ++step) {
      const auto begin = start + milliseconds(100 * step);
      const std::string name = process;
      writer->add(name == "coordinator" ? "step"
                  : name == "rollout-0" ? "sample"
                                        : "train",
                  begin, begin + milliseconds(name == "coordinator" ? 100 : 40), {{"step", step}});
    }
  }
}

// Makes the folder anew.
inline RunInput make_run(const MadeRun& made, const std::filesystem::path& dir) {
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  write_made_metrics(made, dir);
  write_made_archive(made, dir);
  write_made_trace(made, dir);
  return {.dir = dir,
          .name = made.name,
          .config = {{"learning_rate", made.groups == 4 ? "1e-6" : "5e-4", "Training", "step size"},
                     {"model", kHostile, "Files", "the model </script>"},
                     {"trust", "true", "Reward", "weigh by tau"}}};
}

}  // namespace prosodia::testing
