#include "orchestrator/cli/commands/run_config.h"

#include <algorithm>
#include <array>

#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "data/store/model_identity.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/scorer_options.h"
#include "orchestrator/launch/layout.h"
#include "workers/model/model_digests.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPathOptions[] = {"model", "adapter", "ref_model", "reward_model", "output_dir", "keys"};

fs::path config_path(const Options& options) { return fs::path(options.text("output_dir")) / "config.ini"; }

// "--seed 42 (the run has 7)" for each option that affects results and differs.
std::vector<std::string> differences(const Options& now, const Options& before) {
  std::vector<std::string> lines;
  const auto changed = [&](const char* digest, const char* what, const char* path) {
    if (before.text(digest).empty() || before.text(digest) == now.text(digest)) return;
    lines.push_back(fmt::format("the {} {} holds other data than when the run began ({} {}…, the run has {}…)", what,
                                now.text(path), digest, now.text(digest).substr(0, 12),
                                before.text(digest).substr(0, 12)));
  };
  changed("dataset_digest", "dataset", "dataset");
  changed("model_digest", "model", "model");
  changed("reward_model_digest", "reward model", "reward_model");
  for (const OptionSpec& spec : option_table()) {
    if (!(spec.commands & kTrain) || !spec.affects_result || std::string_view(spec.name).ends_with("_digest")) continue;
    if (now.text(spec.name) != before.text(spec.name)) {
      lines.push_back(fmt::format("--{} {} (the run has {})", spec.name, now.text(spec.name), before.text(spec.name)));
    }
  }
  // The number of learner ranks is the order of floating-point sums.
  const auto ranks = [](const Options& options) {
    const auto layout = launch::parse_layout(options.text("layout"));
    return layout ? layout->learners : 0;
  };
  if (ranks(now) != ranks(before)) {
    lines.push_back(fmt::format("--layout learner={} (the run has {})", ranks(now), ranks(before)));
  }
  return lines;
}

}  // namespace

Result<Options> resolve_run_options(Options options) {
  PROSODIA_TRY(options.required("model"));
  PROSODIA_TRY(options.required("dataset"));
  PROSODIA_TRY(options.required("output_dir"));
  for (const char* name : kPathOptions) {
    if (!options.text(name).empty()) options.set(name, fs::weakly_canonical(fs::absolute(options.text(name))).string());
  }
  const auto datasets = options.list("dataset");
  if (datasets.size() != 1) return fail(ErrorCode::kUsage, "--dataset: train takes one file, got {}", datasets.size());
  options.set("dataset", fs::weakly_canonical(fs::absolute(datasets.front())).string());
  if (options.text("ref_model").empty()) options.set("ref_model", options.text("model"));
  adopt_reward_model(options);
  return adopt_adapter(std::move(options));
}

Status prepare_run_folder(const Options& options) {
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(fs::path(options.text("output_dir")) / "logs"));
  const fs::path path = config_path(options);
  if (fs::exists(path)) {
    const std::vector<std::string> arguments = {"--config", path.string()};
    PROSODIA_ASSIGN(const Options before, parse_options(kTrain, arguments));
    if (const auto lines = differences(options, before); !lines.empty()) {
      return fail(ErrorCode::kUsage,
                  "{} holds a run with another configuration: {}. Next: give the same options to resume it, or another "
                  "--output_dir to start a new run",
                  options.text("output_dir"), fmt::join(lines, ", "));
    }
  }
  const std::string text = options.to_ini(kTrain);
  return write_file_atomic(files, path, std::as_bytes(std::span(text.data(), text.size())));
}

Result<HashedDataset> read_hashed_dataset(const fs::path& file) {
  PROSODIA_ASSIGN(const auto bytes, posix_file_system().read_file(file));
  HashedDataset dataset{DigestBuilder().add(bytes).finish(), {}};
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  PROSODIA_ASSIGN(dataset.samples, parse_dataset(text, file));
  return dataset;
}

Result<Digest> digest_of_models(const Options& options) {
  return digest_of_models({options.text("model"), options.text("adapter"), options.text("ref_model")});
}

Result<Digest> digest_of_models(const std::vector<std::string>& dirs) {
  PROSODIA_ASSIGN(const std::vector<Digest> found, model_digests(std::vector<fs::path>(dirs.begin(), dirs.end())));
  DigestBuilder all;
  for (const Digest& identity : found) all.add(identity);
  return all.finish();
}

Result<Digest> digest_of_reward_model(const Options& options) {
  return digest_of_models(std::vector<std::string>{options.text("reward_model")});
}

Status record_input_digests(Options& options, const std::optional<Digest>& dataset) {
  std::optional<Digest> rows = dataset;
  if (!rows) {
    PROSODIA_ASSIGN(rows, file_digest(options.text("dataset")));
  }
  PROSODIA_ASSIGN(const Digest models, digest_of_models(options));
  options.set("dataset_digest", rows->hex());
  options.set("model_digest", models.hex());
  if (options.text("reward_model").empty()) return {};
  PROSODIA_ASSIGN(const Digest reward_model, digest_of_reward_model(options));
  options.set("reward_model_digest", reward_model.hex());
  return {};
}

Result<Digest> run_digest_of_config(const Options& options) {
  const bool rewards_known = options.text("reward_model").empty() == options.text("reward_model_digest").empty();
  if (!options.text("dataset_digest").empty() && !options.text("model_digest").empty() && rewards_known)
    return options.result_digest(kTrain);
  Options filled = options;
  PROSODIA_TRY(record_input_digests(filled));
  return filled.result_digest(kTrain);
}

}  // namespace prosodia::cli
