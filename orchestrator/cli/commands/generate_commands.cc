// prosodia infer | score
#include <fmt/core.h>

#include <string>

#include "data/base/peak_memory.h"
#include "data/corpus/dataset.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/model_options.h"
#include "workers/rollout/generate.h"

namespace prosodia::cli {
namespace {

// Rows are collected and the file is replaced whole at the end: a reader never sees half an output.
struct JsonlOutput {
  std::string text;
  Status append(const nlohmann::json& row) {
    text += row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    return {};
  }
  Status write(const std::string& path) const {
    return write_file_atomic(posix_file_system(), path, std::as_bytes(std::span(text.data(), text.size())));
  }
};

}  // namespace

Result<int> run_infer(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string input, options.required("input"));
  PROSODIA_ASSIGN(const std::string output, options.required("output"));
  configure_torch(options);
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));
  PROSODIA_ASSIGN(const std::vector<Sample> samples, read_dataset(input));
  InferOptions infer_options;
  infer_options.sampling = sampling_params(options, options.flag("greedy"));
  infer_options.engine.max_rows = static_cast<int>(options.integer("max_rows"));
  // One response unless asked for more: the table's default of 8 is a training group.
  infer_options.num_generations =
      options.given("num_generations") ? static_cast<int>(options.integer("num_generations")) : 1;
  infer_options.seed = static_cast<uint64_t>(options.integer("seed"));
  JsonlOutput rows;
  PROSODIA_TRY(infer(*loaded.model, *loaded.processor, samples, infer_options,
                     [&](size_t, nlohmann::json row) { return rows.append(row); }));
  PROSODIA_TRY(rows.write(output));
  fmt::print(stderr, "infer: {} rows, {} responses each, peak memory {:.3f} GB; wrote {}\n", samples.size(),
             infer_options.num_generations, static_cast<double>(peak_memory_bytes()) / 1e9, output);
  return 0;
}

Result<int> run_score(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string input, options.required("input"));
  PROSODIA_ASSIGN(const std::string output, options.required("output"));
  configure_torch(options);
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));
  PROSODIA_ASSIGN(const std::vector<Sample> samples, read_dataset(input));
  ScoreOptions score_options;
  score_options.temperature = options.real("temperature");
  JsonlOutput rows;
  PROSODIA_TRY(score(*loaded.model, *loaded.processor, samples, score_options,
                     [&](size_t, nlohmann::json row) { return rows.append(row); }));
  PROSODIA_TRY(rows.write(output));
  fmt::print(stderr, "score: {} rows; wrote {}\n", samples.size(), output);
  return 0;
}

}  // namespace prosodia::cli
