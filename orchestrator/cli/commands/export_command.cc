// prosodia export: a complete Hugging Face folder from a model folder or a run's checkpoint.
#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "orchestrator/cli/commands/command.h"
#include "workers/model/adapter_merge.h"
#include "workers/model/export.h"
#include "workers/model/model.h"

namespace prosodia::cli {
namespace {

// "5GB", "200MB", "4GiB" or a number of bytes, as transformers' max_shard_size.
Result<uint64_t> parse_size(const std::string& text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KIB", 1024.0}, {"MIB", 1048576.0}, {"GIB", 1073741824.0}};
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  std::string unit(parsed.ptr, end);
  for (char& letter : unit) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  for (const auto& [known, bytes] : kUnits) {
    if (parsed.ec == std::errc() && unit == known && number * bytes >= 1 && number * bytes < 1e18)
      return static_cast<uint64_t>(std::llround(number * bytes));
  }
  return fail(ErrorCode::kUsage, "--max_shard_size '{}': expected a size such as 200MB, 5GB or 4GiB", text);
}

// The folder of the weights and the adapter on it, if any.
struct AdapterChoice {
  std::filesystem::path base, adapter;
};
Result<AdapterChoice> choose_adapter(const Options& options, const std::string& model) {
  const std::filesystem::path named = options.text("adapter");
  if (!is_adapter_dir(model)) return AdapterChoice{model, named};
  if (!named.empty())
    return fail(ErrorCode::kUsage, "{} is an adapter already; --adapter {} would be a second one", model,
                named.string());
  PROSODIA_TRY(check_checkpoint(model));
  if (!options.text("base_model").empty()) return AdapterChoice{options.text("base_model"), model};
  PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(model));
  return AdapterChoice{base, model};
}

}  // namespace

Result<int> run_export(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string model, options.required("model"));
  PROSODIA_ASSIGN(const std::string output_dir, options.required("output_dir"));
  ExportOptions export_options;
  if (options.text("dtype") != "auto")
    export_options.dtype = options.text("dtype") == "bfloat16" ? DType::BF16 : DType::F32;
  PROSODIA_ASSIGN(export_options.max_shard_bytes, parse_size(options.text("max_shard_size")));
  export_options.base_model = options.text("base_model");
  PROSODIA_ASSIGN(const AdapterChoice choice, choose_adapter(options, model));
  if (!choice.adapter.empty() && !options.flag("merge")) {
    PROSODIA_TRY(export_adapter(choice.adapter, choice.base, output_dir));
    fmt::print("wrote {}: the adapter of {}\n", output_dir, choice.base.string());
    return 0;
  }
  std::optional<AdapterMerge> merge;
  if (!choice.adapter.empty()) {
    if (model == choice.adapter) export_options.base_model.clear();  // it named the adapter's base
    PROSODIA_ASSIGN(merge, AdapterMerge::open(choice.adapter));
    export_options.edit = &*merge;
  }
  PROSODIA_ASSIGN(const ExportReport report, export_model(choice.base, output_dir, export_options));
  fmt::print("wrote {}: {} tensors, {:.1f} MB", output_dir, report.num_tensors,
             static_cast<double>(report.num_bytes) / 1e6);
  if (report.num_from_base > 0) fmt::print(", {} of them copied from {}", report.num_from_base, report.base.string());
  if (report.num_edited > 0) fmt::print(", {} with the adapter merged", report.num_edited);
  fmt::print("\n");
  return 0;
}

}  // namespace prosodia::cli
