#include "orchestrator/monitor/jsonl_file.h"

#include <charconv>
#include <cmath>
#include <deque>
#include <functional>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kStepPrefix = "{\"step\":";
constexpr std::string_view kTimingPrefix = "timing_s/";

// Hands every line (without its newline) and its offset to `visit`, which returns false to stop. A last line without a
// newline comes with complete = false.
Status for_each_line(FileSystem& fs, const std::filesystem::path& path,
                     const std::function<bool(std::string_view line, uint64_t offset, bool complete)>& visit) {
  PROSODIA_ASSIGN(auto file, fs.open_read(path));
  std::string pending;  // the beginning of a line whose end has not been read
  uint64_t offset = 0;
  std::vector<std::byte> piece(1 << 18);
  for (bool more = true; more;) {
    PROSODIA_ASSIGN(const size_t got, file->read(piece));
    more = got == piece.size();
    const size_t searched = pending.size();
    pending.append(reinterpret_cast<const char*>(piece.data()), got);
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', std::max(begin, searched))) != std::string::npos; begin = end + 1)
      if (!visit(std::string_view(pending).substr(begin, end - begin), offset + begin, true)) return {};
    offset += begin;
    pending.erase(0, begin);
  }
  if (!pending.empty()) visit(pending, offset, false);
  return {};
}

std::optional<uint64_t> step_of(std::string_view line) {
  if (!line.starts_with(kStepPrefix)) return std::nullopt;
  uint64_t step = 0;
  const char* begin = line.data() + kStepPrefix.size();
  const auto [end, error] = std::from_chars(begin, line.data() + line.size(), step);
  return error == std::errc() && end != begin ? std::optional(step) : std::nullopt;
}

ordered_json number(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr); }
double number_or_nan(const json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

}  // namespace

Result<std::unique_ptr<JsonlFile>> JsonlFile::open(FileSystem& fs, const std::filesystem::path& path,
                                                   uint64_t first_step) {
  PROSODIA_TRY(fs.create_dirs(path.parent_path()));
  PROSODIA_ASSIGN(const bool there, fs.exists(path));
  if (there) {
    std::optional<uint64_t> cut;
    PROSODIA_TRY(for_each_line(fs, path, [&](std::string_view line, uint64_t offset, bool complete) {
      const auto step = step_of(line);
      if (!complete || (step && *step >= first_step)) cut = offset;
      return !cut.has_value();
    }));
    if (cut) PROSODIA_TRY(fs.truncate(path, *cut));
  }
  PROSODIA_ASSIGN(auto file, WholeAppender::open(fs, path, OpenMode::kAppend));
  return std::unique_ptr<JsonlFile>(new JsonlFile(std::move(file)));
}

void JsonlFile::add(const ordered_json& line) {
  buffer_ += dump_line(line);
  buffer_ += '\n';
}

Status JsonlFile::flush() {
  if (buffer_.empty()) return {};
  PROSODIA_TRY(file_.append(as_byte_span(buffer_)));
  buffer_.clear();
  return {};
}

Status JsonlFile::sync() {
  PROSODIA_TRY(flush());
  return file_.sync();
}

ordered_json metrics_line(const StepReport& report) {
  ordered_json line = {{"step", report.step}, {"total_steps", report.total_steps}, {"wall_time", report.wall_time}};
  for (const auto& [name, value] : report.metrics) line[name] = number(value);
  for (const auto& [phase, seconds] : report.phase_seconds) line[std::string(kTimingPrefix) + phase] = number(seconds);
  return line;
}

Result<StepReport> parse_metrics_line(std::string_view text) {
  const auto parsed = parse_json_object(text, "a line of metrics");
  if (!parsed) return step_report_of(json());
  return step_report_of(*parsed);
}

Result<StepReport> step_report_of(const json& line) {
  if (!line.is_object() || !line.contains("step") || !line["step"].is_number_unsigned())
    return fail(ErrorCode::kInvalidInput, "expected a JSON object with \"step\"");
  StepReport report;
  for (const auto& [name, value] : line.items()) {
    if (name == "step")
      report.step = value.get<uint64_t>();
    else if (name == "total_steps")
      report.total_steps = value.is_number_unsigned() ? value.get<uint64_t>() : 0;
    else if (name == "wall_time")
      report.wall_time = number_or_nan(value);
    else if (name.starts_with(kTimingPrefix))
      report.phase_seconds[name.substr(kTimingPrefix.size())] = number_or_nan(value);
    else
      report.metrics[name] = number_or_nan(value);
  }
  return report;
}

Result<std::vector<StepReport>> read_metrics(FileSystem& fs, const std::filesystem::path& path) {
  std::vector<StepReport> reports;
  PROSODIA_ASSIGN(const bool there, fs.exists(path));
  if (!there) return reports;
  Status status;
  size_t number = 0;
  PROSODIA_TRY(for_each_line(fs, path, [&](std::string_view line, uint64_t, bool complete) {
    if (!complete) return false;
    ++number;
    auto report = parse_metrics_line(line);
    if (report)
      reports.push_back(std::move(*report));
    else
      status = wrap(report.error(), fmt::format("{}:{}", path.string(), number));
    return static_cast<bool>(report);
  }));
  PROSODIA_TRY(status);
  return reports;
}

ordered_json completion_line(const LoggedResponse& logged) {
  const SampledResponse& r = logged.response;
  ordered_json line = {{"step", logged.step},
                       {"group_id", r.group_id},
                       {"sample_index", r.sample_index},
                       {"id", r.id},
                       {"prompt", r.prompt},
                       {"audio", r.audio},
                       {"solution", r.solution},
                       {"response", r.response},
                       {"num_tokens", r.num_tokens},
                       {"finish_reason", r.finish_reason},
                       {"present", r.present},
                       {"format", r.format},
                       {"accuracy", r.accuracy},
                       {"reasoning_status", r.reasoning_status}};
  if (r.reasoning_status == "value") {
    line["reasoning"] = number(r.reasoning);
    for (size_t i = 0; i < kCriterionNames.size(); ++i) line[kCriterionNames[i]] = number(r.criteria[i]);
  }
  if (r.has_faithfulness) line["faithfulness"] = number(r.faithfulness);
  line["trust"] = number(r.trust);
  line["gate"] = number(r.gate);
  line["reward"] = number(r.total);
  line["advantage"] = number(r.advantage);
  return line;
}

Result<LoggedResponse> parse_completion_line(std::string_view text) {
  PROSODIA_ASSIGN(const json line, parse_json_object(text, "a logged response"));
  return logged_response_of(line);
}

LoggedResponse logged_response_of(const json& line) {
  const auto string = [&](const char* name) { return text_member(line, name); };
  const auto real = [&](const char* name) {
    return line.contains(name) && line[name].is_number() ? line[name].get<double>() : 0.0;
  };
  const auto whole = [&](const char* name) {
    return line.contains(name) && line[name].is_number_unsigned() ? line[name].get<uint64_t>() : uint64_t{0};
  };
  LoggedResponse logged{.step = whole("step")};
  SampledResponse& r = logged.response;
  r.group_id = whole("group_id");
  r.sample_index = static_cast<uint32_t>(whole("sample_index"));
  r.id = string("id");
  r.prompt = string("prompt");
  r.audio = string("audio");
  r.solution = string("solution");
  r.response = string("response");
  r.finish_reason = string("finish_reason");
  r.num_tokens = whole("num_tokens");
  r.present = !line.contains("present") || line["present"] == true;
  r.format = real("format");
  r.accuracy = real("accuracy");
  r.reasoning_status = string("reasoning_status");
  r.reasoning = real("reasoning");
  for (size_t i = 0; i < kCriterionNames.size(); ++i) r.criteria[i] = real(kCriterionNames[i]);
  r.has_faithfulness = line.contains("faithfulness");
  r.faithfulness = real("faithfulness");
  r.trust = real("trust");
  r.gate = real("gate");
  r.total = real("reward");
  r.advantage = real("advantage");
  return logged;
}

Result<std::vector<LoggedResponse>> read_last_completions(FileSystem& fs, const std::filesystem::path& path,
                                                          size_t count) {
  std::deque<std::string> last;
  PROSODIA_ASSIGN(const bool there, fs.exists(path));
  if (there) {
    PROSODIA_TRY(for_each_line(fs, path, [&](std::string_view line, uint64_t, bool complete) {
      if (complete) last.emplace_back(line);
      if (last.size() > count) last.pop_front();
      return complete;
    }));
  }
  std::vector<LoggedResponse> responses;
  for (const std::string& line : last) {
    auto response = parse_completion_line(line);
    if (!response) return wrap(response.error(), path.string());
    responses.push_back(std::move(*response));
  }
  return responses;
}

}  // namespace prosodia
