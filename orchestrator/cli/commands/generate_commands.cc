// prosodia infer | score
#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "data/base/json.h"
#include "data/base/peak_memory.h"
#include "data/corpus/dataset.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/model_options.h"
#include "workers/rollout/generate.h"

namespace prosodia::cli {
namespace {

using nlohmann::json;

// Rows for a file are collected and the file is replaced whole at the end: a reader never sees half an output. Without
// a file every row goes to stdout at once.
class RowOutput {
 public:
  explicit RowOutput(std::string path) : path_(std::move(path)) {}
  Status put(const json& row) {
    const std::string line = dump_line(row) + "\n";
    if (!path_.empty())
      text_ += line;
    else if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0)
      return fail(ErrorCode::kStorage, "stdout cannot be written");
    return {};
  }
  Status close() const {
    return path_.empty() ? Status() : write_file_atomic(posix_file_system(), path_, as_byte_span(text_));
  }
  std::string destination() const { return path_.empty() ? "" : "; wrote " + path_; }

 private:
  const std::string path_;
  std::string text_;
};

// The row that --prompt, --system and --audio stand for. Audio comes first unless the prompt says where.
Result<Sample> prompt_row(const Options& options) {
  std::string content = options.text("prompt");
  if (content.find("<audio>") == std::string::npos) {
    for (size_t i = 0; i < options.list("audio").size(); ++i) content.insert(0, "<audio>");
  }
  json messages = json::array();
  if (!options.text("system").empty()) messages.push_back({{"role", "system"}, {"content", options.text("system")}});
  messages.push_back({{"role", "user"}, {"content", content}});
  const json row = {{"messages", messages}, {"audios", options.list("audio")}};
  PROSODIA_ASSIGN(Sample sample, parse_sample(dump_line(row), std::filesystem::current_path(), "--prompt", 1));
  sample.origin = "--prompt";
  return sample;
}

Result<std::vector<Sample>> read_rows(const Options& options) {
  std::vector<Sample> samples;
  if (options.given("prompt")) {
    if (options.given("input")) return fail(ErrorCode::kUsage, "--input and --prompt exclude each other");
    PROSODIA_ASSIGN(Sample sample, prompt_row(options));
    samples.push_back(std::move(sample));
  } else {
    for (const char* name : {"audio", "system"})
      if (options.given(name)) return fail(ErrorCode::kUsage, "--{} goes with --prompt", name);
    if (options.text("input").empty())
      return fail(ErrorCode::kUsage, "--input F.jsonl or --prompt TEXT is required; --help says what they take");
    PROSODIA_ASSIGN(samples, read_dataset(options.text("input")));
  }
  PROSODIA_TRY(check_audio_files(samples));  // before minutes of loading and sampling
  return samples;
}

// Text to stdout as it is sampled; what is said about it to stderr.
Status print_stream(const LoadedModel& loaded, const Sample& sample, const InferOptions& options) {
  const int count = options.num_generations;
  int shown = -1;
  const auto started = std::chrono::steady_clock::now();
  const auto print = [&](int generation, std::string_view text) -> Status {
    if (generation != shown) {
      if (shown >= 0) fmt::print("\n");
      std::fflush(stdout);
      if (count > 1) fmt::print(stderr, "--- {} of {}\n", generation + 1, count);
      shown = generation;
    }
    fmt::print("{}", text);
    return std::fflush(stdout) == 0 ? Status() : fail(ErrorCode::kStorage, "stdout cannot be written");
  };
  PROSODIA_ASSIGN(const json row, stream(*loaded.model, *loaded.processor, sample, options, print));
  fmt::print("\n");
  std::fflush(stdout);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  size_t tokens = 0;
  std::string reasons;
  for (const json& completion : row.at("completions")) {
    tokens += completion.at("token_ids").size();
    reasons += (reasons.empty() ? "" : ", ") + completion.at("finish_reason").get<std::string>();
  }
  fmt::print(stderr, "infer: {} tokens in {:.1f} s; finish reason: {}\n", tokens, seconds.count(), reasons);
  return {};
}

}  // namespace

Result<int> run_infer(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::vector<Sample> samples, read_rows(options));
  configure_torch(options);
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));
  InferOptions infer_options;
  infer_options.sampling = sampling_params(options, options.flag("greedy"));
  infer_options.engine.max_rows = static_cast<int>(options.integer("max_rows"));
  // One response unless asked for more: the table's default of 8 is a training group.
  infer_options.num_generations =
      options.given("num_generations") ? static_cast<int>(options.integer("num_generations")) : 1;
  infer_options.seed = static_cast<uint64_t>(options.integer("seed"));
  infer_options.stop = &context.stop;
  if (options.given("prompt") && options.text("output").empty()) {
    PROSODIA_TRY(print_stream(loaded, samples.front(), infer_options));
    return 0;
  }
  RowOutput rows(options.text("output"));
  PROSODIA_TRY(infer(*loaded.model, *loaded.processor, samples, infer_options,
                     [&](size_t, const json& row) { return rows.put(row); }));
  PROSODIA_TRY(rows.close());
  fmt::print(stderr, "infer: {} rows, {} responses each, peak memory {:.3f} GB{}\n", samples.size(),
             infer_options.num_generations, static_cast<double>(peak_memory_bytes()) / 1e9, rows.destination());
  return 0;
}

Result<int> run_score(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string input, options.required("input"));
  PROSODIA_ASSIGN(const std::vector<Sample> samples, read_dataset(input));
  PROSODIA_TRY(check_audio_files(samples));
  configure_torch(options);
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));
  ScoreOptions score_options;
  score_options.temperature = options.real("temperature");
  score_options.stop = &context.stop;
  RowOutput rows(options.text("output"));
  PROSODIA_TRY(score(*loaded.model, *loaded.processor, samples, score_options,
                     [&](size_t, const json& row) { return rows.put(row); }));
  PROSODIA_TRY(rows.close());
  fmt::print(stderr, "score: {} rows{}\n", samples.size(), rows.destination());
  return 0;
}

}  // namespace prosodia::cli
