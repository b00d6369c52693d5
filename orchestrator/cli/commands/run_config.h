// The run folder's config.ini: written when a run is created, read by every role, compared when a run is resumed.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "data/corpus/dataset.h"
#include "orchestrator/cli/options.h"

namespace prosodia::cli {

// Makes paths absolute and fills in what depends on the machine, so that every process reads the same values.
Result<Options> resolve_run_options(Options options);

// Over model_identity of --model, --adapter and --ref_model (of these folders; "" = none) and of the bases of adapters
// among them.
Result<Digest> digest_of_models(const Options& options);
Result<Digest> digest_of_models(const std::vector<std::string>& dirs);

// Of --reward_model and its base.
Result<Digest> digest_of_reward_model(const Options& options);

// Fills in dataset_digest, model_digest and reward_model_digest, so that the roles need not read dataset and models for
// it, and a folder is not resumed with other input. Reads model_identity's part of the models, and the whole dataset
// when its digest is not given; `train` calls it once.
Status record_input_digests(Options& options, const std::optional<Digest>& dataset = std::nullopt);

// Creates the run folder and config.ini, or compares with the one that is there: kUsage naming the options that would
// change the result of a run that has begun. Options that do not affect results may change; the file is then rewritten.
Status prepare_run_folder(const Options& options);

// Identity of the run's results: options that affect them, the recorded digests of dataset and model among them. Every
// role computes it from config.ini; the coordinator refuses peers whose digest differs. A hand-written configuration
// without digests has them computed here.
Result<Digest> run_digest_of_config(const Options& options);

// The rows, and the BLAKE2b-256 of the file's bytes that dataset_digest records, of one and the same read.
struct HashedDataset {
  Digest digest;
  std::vector<Sample> samples;
};
Result<HashedDataset> read_hashed_dataset(const std::filesystem::path& file);

}  // namespace prosodia::cli
