#include "data/trace/trace_reader.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;

// Every whole event of every file, in the order of the files' names; what is none is counted.
Status for_each_event(FileSystem& fs, const std::filesystem::path& run_dir, uint64_t& bad_lines,
                      const std::function<void(const json& event, std::string_view line)>& visit) {
  const auto dir = run_dir / "trace";
  PROSODIA_ASSIGN(const bool exists, fs.exists(dir));
  if (!exists) return {};
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  for (const DirEntry& entry : entries) {
    if (entry.is_directory || !entry.name.ends_with(".json")) continue;
    PROSODIA_ASSIGN(const std::string text, fs.read_text(dir / entry.name));
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line(text.data() + begin, end - begin);
      begin = end + 1;
      if (line.ends_with(',')) line.remove_suffix(1);
      if (line.empty() || line == "[" || line == "]") continue;
      const auto event = parse_json_object(line, entry.name);
      if (event && event->contains("ph") && event->contains("pid")) {
        visit(*event, line);
      } else {
        ++bad_lines;
      }
    }
  }
  return {};
}

uint64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

TracePhase phase_of(const json& event) {
  TracePhase phase{.name = text_member(event, "name"),
                   .lane = static_cast<int>(number_of(event, "tid")),
                   .begin_us = static_cast<int64_t>(number_of(event, "ts")),
                   .duration_us = static_cast<int64_t>(number_of(event, "dur")),
                   .args = {}};
  if (const auto args = event.find("args"); args != event.end() && args->is_object())
    for (const auto& [key, value] : args->items())
      if (value.is_number_unsigned()) phase.args[key] = value.get<uint64_t>();
  return phase;
}

}  // namespace

std::optional<uint64_t> TracePhase::step() const {
  const auto found = args.find("step");
  return found == args.end() ? std::nullopt : std::optional(found->second);
}

Result<RunTrace> read_traces(FileSystem& fs, const std::filesystem::path& run_dir) {
  RunTrace trace;
  std::map<uint64_t, ProcessTrace> by_id;
  PROSODIA_TRY(for_each_event(fs, run_dir, trace.bad_lines, [&](const json& event, std::string_view) {
    ProcessTrace& process = by_id[number_of(event, "pid")];
    const std::string kind = text_member(event, "ph");
    if (kind == "X") {
      process.phases.push_back(phase_of(event));
    } else if (kind == "M" && text_member(event, "name") == "process_name") {
      process.process = text_member(event.value("args", json::object()), "name");
    }
  }));
  for (auto& [id, process] : by_id) {
    std::stable_sort(process.phases.begin(), process.phases.end(),
                     [](const TracePhase& a, const TracePhase& b) { return a.begin_us < b.begin_us; });
    trace.processes.push_back(std::move(process));
  }
  std::sort(trace.processes.begin(), trace.processes.end(),
            [](const ProcessTrace& a, const ProcessTrace& b) { return a.process < b.process; });
  return trace;
}

Result<std::string> merged_trace(FileSystem& fs, const std::filesystem::path& run_dir) {
  std::string out = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  bool first = true;
  uint64_t bad_lines = 0;
  PROSODIA_TRY(for_each_event(fs, run_dir, bad_lines, [&](const json&, std::string_view line) {
    if (!first) out += ",\n";
    first = false;
    out += line;
  }));
  if (first)
    return fail(ErrorCode::kInvalidInput,
                "{}: no trace/*.json with a phase in it. Runs record them unless they were started with --trace false",
                run_dir.string());
  return out + "\n]}\n";
}

}  // namespace prosodia
