#include "orchestrator/cli/commands/replay_comparison.h"

#include <spdlog/spdlog.h>

#include <bit>

#include "data/store/checkpoint_dir.h"
#include "orchestrator/core/run_core.h"

namespace prosodia::cli {
namespace {

using nlohmann::json;

std::vector<std::string> differing(const TensorChecksums& mine, const TensorChecksums& theirs) {
  std::vector<std::string> names;
  for (const auto& [name, crc] : mine) {
    const auto found = theirs.find(name);
    if (found == theirs.end() || found->second != crc) names.push_back(name);
  }
  for (const auto& [name, crc] : theirs)
    if (!mine.contains(name)) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

// The per-tensor checksums that the learner saved with the checkpoint.
std::optional<TensorChecksums> checksums_of(const std::filesystem::path& checkpoint) {
  const CheckpointStore store(posix_file_system(), checkpoint.parent_path());
  const auto info = store.verify(checkpoint);
  if (!info) {
    spdlog::warn("replay: not compared with {}: {}", checkpoint.string(), info.error().message);
    return std::nullopt;
  }
  const json extra = info->extra.value("extra", json::object());
  const auto found = extra.find("tensor_crc32c");
  if (found == extra.end()) return std::nullopt;
  return found->get<TensorChecksums>();
}

std::string describe(const RecordedStep& now, const RecordedStep& then) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (now.batch != then.batch)
    add(fmt::format("batch {} instead of {}", now.batch.short_hex(), then.batch.short_hex()));
  if (std::bit_cast<uint64_t>(now.loss) != std::bit_cast<uint64_t>(then.loss))
    add(fmt::format("loss {} instead of {}", now.loss, then.loss));
  if (now.weights != then.weights)
    add(fmt::format("weights {} instead of {}", now.weights.short_hex(), then.weights.short_hex()));
  return text;
}

}  // namespace

ReplayComparison::ReplayComparison(RunRecords records, const std::filesystem::path& run_dir,
                                   const core::PlanOptions& plan)
    : records_(std::move(records)), plan_(plan) {
  if (run_dir.empty()) return;
  const CheckpointStore store(posix_file_system(), run_dir / "checkpoints");
  for (const uint64_t version : store.steps()) checkpoints_[version] = store.path_of(version);
}

void ReplayComparison::expect(uint64_t step, const RecordedStep& archived) { expected_ = {step, archived}; }

bool ReplayComparison::see(const ReplayPosition& position) {
  if (position.outcome == nullptr)
    see_start(position);
  else
    see_step(position);
  const bool seen_before = position.outcome == nullptr && compared_ > 0;  // replay resumed here
  if (checkpoints_.contains(position.version) && !tensors_ && !seen_before) compare_tensors(position);
  if (!difference_ && !tensors_) return true;
  return !tensors_ && checkpoints_.lower_bound(position.version + 1) != checkpoints_.end();
}

void ReplayComparison::see_start(const ReplayPosition& position) {
  std::optional<Digest> want;
  if (position.version == 0) {
    want = records_.initial_weights;
    if (!run_digest_) run_digest_ = core::initial_run_digest(plan_);
  } else if (const auto before = records_.steps.find(position.version - 1); before != records_.steps.end()) {
    want = before->second.weights;
    if (!run_digest_) run_digest_ = before->second.run_digest;
  }
  if (want && *want != position.weights && !difference_)
    difference_ = StepDifference{
        position.version, fmt::format("the weights of version {} that replay starts from are {}, the run had {}: "
                                      "another --model?",
                                      position.version, position.weights.short_hex(), want->short_hex())};
}

void ReplayComparison::see_step(const ReplayPosition& position) {
  const GrpoOutcome& outcome = *position.outcome;
  const RecordedStep now{outcome.batch, position.weights, {}, outcome.loss};
  if (run_digest_) run_digest_ = core::chain_run_digest(*run_digest_, now.batch, now.loss, now.weights);
  const auto journaled = records_.steps.find(outcome.step);
  const bool archived = expected_ && expected_->first == outcome.step;
  if (journaled == records_.steps.end() && !archived) return;
  ++compared_;
  const std::string text = describe(now, journaled != records_.steps.end() ? journaled->second : expected_->second);
  if (!text.empty() && !difference_) difference_ = StepDifference{outcome.step, text};
}

void ReplayComparison::compare_tensors(const ReplayPosition& position) {
  const auto theirs = checksums_of(checkpoints_.at(position.version));
  if (!theirs) return;
  const TensorChecksums mine = position.tensor_checksums();
  auto names = differing(mine, *theirs);
  if (names.empty())
    ++equal_checkpoints_;
  else
    tensors_ = TensorDifference{position.version, std::move(names), mine.size()};
}

json ReplayComparison::to_json() const {
  json out = {{"compared_steps", compared_}, {"equal_checkpoints", equal_checkpoints_}, {"equal", equal()}};
  if (run_digest_) out["run_digest"] = run_digest_->hex();
  if (difference_) out["first_difference"] = {{"step", difference_->step}, {"what", difference_->what}};
  if (tensors_)
    out["differing_tensors"] = {{"version", tensors_->version}, {"names", tensors_->names}, {"of", tensors_->total}};
  return out;
}

void ReplayComparison::restore(const json& saved) {
  compared_ = saved.value("compared_steps", uint64_t{0});
  equal_checkpoints_ = saved.value("equal_checkpoints", uint64_t{0});
  if (saved.contains("run_digest")) run_digest_ = Digest::from_hex(saved.at("run_digest").get<std::string>());
  if (const auto found = saved.find("first_difference"); found != saved.end())
    difference_ = StepDifference{found->at("step").get<uint64_t>(), found->at("what").get<std::string>()};
  if (const auto found = saved.find("differing_tensors"); found != saved.end())
    tensors_ = TensorDifference{found->at("version").get<uint64_t>(),
                                found->at("names").get<std::vector<std::string>>(), found->at("of").get<size_t>()};
}

}  // namespace prosodia::cli
