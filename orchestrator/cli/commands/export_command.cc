// prosodia export: a complete Hugging Face folder from a model folder or a run's checkpoint.
#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "orchestrator/cli/commands/command.h"
#include "workers/model/export.h"

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

}  // namespace

Result<int> run_export(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string model, options.required("model"));
  PROSODIA_ASSIGN(const std::string output_dir, options.required("output_dir"));
  ExportOptions export_options;
  if (options.text("dtype") != "auto")
    export_options.dtype = options.text("dtype") == "bfloat16" ? DType::BF16 : DType::F32;
  PROSODIA_ASSIGN(export_options.max_shard_bytes, parse_size(options.text("max_shard_size")));
  export_options.base_model = options.text("base_model");
  PROSODIA_ASSIGN(const ExportReport report, export_model(model, output_dir, export_options));
  fmt::print("wrote {}: {} tensors, {:.1f} MB", output_dir, report.num_tensors,
             static_cast<double>(report.num_bytes) / 1e6);
  if (report.num_from_base > 0) fmt::print(", {} of them copied from {}", report.num_from_base, report.base.string());
  if (report.num_edited > 0) fmt::print(", {} with the adapter merged", report.num_edited);
  fmt::print("\n");
  return 0;
}

}  // namespace prosodia::cli
