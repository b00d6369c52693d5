// Compares a replay with the run it repeats: every step's batch, loss bits and weights against the journal, or, where
// that has no record, against the archive; at every version whose checkpoint the run still has, tensor by tensor. So a
// first difference is narrowed to a step, and to tensors at the next checkpoint.
// Single thread. Failure rule: a damaged checkpoint is only a warning: it cannot be compared with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/coordinator/run_records.h"
#include "orchestrator/core/plan.h"
#include "workers/learner/replay.h"

namespace prosodia::cli {

struct StepDifference {
  uint64_t step = 0;  // the first whose result differs; 0 also when the initial weights do
  std::string what;   // "loss 0.1 instead of 0.2, weights 12ab… instead of 34cd…"
};

struct TensorDifference {
  uint64_t version = 0;            // of the checkpoint compared with
  std::vector<std::string> names;  // that differ or are on one side only, sorted
  size_t total = 0;                // tensors compared
};

class ReplayComparison {
 public:
  // `run_dir` may be empty: then only what the archive holds is compared.
  ReplayComparison(RunRecords records, const std::filesystem::path& run_dir, const core::PlanOptions& plan);

  // What the archive says about the step that the next position will have trained.
  void expect(uint64_t step, const RecordedStep& archived);
  // Call for the weights replay starts from and after every step. Returns false when nothing more is to be found out: a
  // difference is known, and no checkpoint of this or a later version can name its tensors.
  bool see(const ReplayPosition& position);

  uint64_t compared_steps() const { return compared_; }
  uint64_t equal_checkpoints() const { return equal_checkpoints_; }
  bool equal() const { return !difference_ && !tensors_; }
  const std::optional<StepDifference>& difference() const { return difference_; }
  const std::optional<TensorDifference>& tensors() const { return tensors_; }
  // H after the newest position; nothing when replay began in the middle of a run without records.
  const std::optional<Digest>& run_digest() const { return run_digest_; }

  // Kept with replay's own checkpoints, so that a resumed replay knows what came before.
  nlohmann::json to_json() const;
  void restore(const nlohmann::json& json);

 private:
  void see_start(const ReplayPosition& position);
  void see_step(const ReplayPosition& position);
  void compare_tensors(const ReplayPosition& position);

  RunRecords records_;
  std::map<uint64_t, std::filesystem::path> checkpoints_;  // of the run, by version
  core::PlanOptions plan_;
  std::optional<std::pair<uint64_t, RecordedStep>> expected_;  // by the archive, of the step under way
  uint64_t compared_ = 0, equal_checkpoints_ = 0;
  std::optional<StepDifference> difference_;
  std::optional<TensorDifference> tensors_;
  std::optional<Digest> run_digest_;
};

}  // namespace prosodia::cli
