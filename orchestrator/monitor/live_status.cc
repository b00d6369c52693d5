#include "orchestrator/monitor/live_status.h"

#include <algorithm>
#include <cmath>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::pair<RunPhase, std::string_view> kPhases[] = {
    {RunPhase::kStarting, "starting"}, {RunPhase::kRunning, "running"}, {RunPhase::kStopping, "stopping"},
    {RunPhase::kComplete, "complete"}, {RunPhase::kStopped, "stopped"}, {RunPhase::kFailed, "failed"}};

// Typed reads that keep the default when a key is missing or of another kind.
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {}
  void get(const char* key, std::string& out) const {
    if (const json* value = find(key); value != nullptr && value->is_string()) out = value->get<std::string>();
  }
  void get(const char* key, uint64_t& out) const {
    if (const json* value = find(key); value != nullptr && value->is_number_unsigned()) out = value->get<uint64_t>();
  }
  void get(const char* key, double& out) const {
    if (const json* value = find(key); value != nullptr && value->is_number()) out = value->get<double>();
  }
  void get(const char* key, std::map<std::string, uint64_t>& out) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_object()) return;
    for (const auto& [name, count] : value->items())
      if (count.is_number_unsigned()) out[name] = count.get<uint64_t>();
  }
  template <class F>
  void each(const char* key, F&& visit) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_array()) return;
    for (const json& element : *value)
      if (element.is_object()) visit(element);
  }
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

 private:
  const json& object_;
};

ordered_json worker_json(const WorkerView& worker) {
  return {{"name", worker.name},
          {"role", worker.role},
          {"state", worker.state},
          {"leases", worker.leases},
          {"rate", worker.rate},
          {"heard_seconds", worker.heard_seconds},
          {"progress_seconds", worker.progress_seconds}};
}

WorkerView parse_worker(const json& object) {
  WorkerView worker;
  const Reader reader(object);
  reader.get("name", worker.name);
  reader.get("role", worker.role);
  reader.get("state", worker.state);
  reader.get("leases", worker.leases);
  reader.get("rate", worker.rate);
  reader.get("heard_seconds", worker.heard_seconds);
  reader.get("progress_seconds", worker.progress_seconds);
  return worker;
}

// A cut at `limit` bytes that leaves whole characters.
void cut_text(std::string& text, size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
  text += "…";
}

void parse_lists(const Reader& reader, LiveStatus& status) {
  reader.each("workers", [&](const json& object) { status.workers.push_back(parse_worker(object)); });
  reader.each("counters", [&](const json& object) {
    CounterView counter;
    Reader(object).get("family", counter.family);
    Reader(object).get("label", counter.label_value);
    Reader(object).get("value", counter.value);
    status.counters.push_back(std::move(counter));
  });
  reader.each("responses", [&](const json& object) { status.responses.push_back(logged_response_of(object)); });
  if (const json* roles = reader.find("workers_by_state"); roles != nullptr && roles->is_object()) {
    for (const auto& [role, states] : roles->items())
      if (states.is_object()) Reader(*roles).get(role.c_str(), status.by_state[role]);
  }
  if (const json* newest = reader.find("newest_step"); newest != nullptr && newest->is_object()) {
    if (auto report = step_report_of(*newest)) status.newest = std::move(*report);
  }
}

}  // namespace

std::string_view name(RunPhase phase) {
  return std::find_if(std::begin(kPhases), std::end(kPhases), [&](const auto& entry) { return entry.first == phase; })
      ->second;
}

ordered_json to_json(const LiveStatus& status) {
  ordered_json out = {{"format", 1},
                      {"run", status.run_name},
                      {"run_id", status.run_id},
                      {"wall_time", status.wall_time},
                      {"start_time", status.start_time},
                      {"phase", name(status.phase)},
                      {"message", status.message},
                      {"life", status.life},
                      {"step", status.trained_steps},
                      {"total_steps", status.total_steps},
                      {"last_checkpoint", status.last_checkpoint},
                      {"lag", status.lag},
                      {"gate", status.gate},
                      {"learner", status.learner},
                      {"active_leases", status.active_leases},
                      {"groups", status.groups},
                      {"workers_by_state", status.by_state}};
  out["workers"] = ordered_json::array();
  for (const WorkerView& worker : status.workers) out["workers"].push_back(worker_json(worker));
  out["counters"] = ordered_json::array();
  for (const CounterView& counter : status.counters)
    out["counters"].push_back({{"family", counter.family}, {"label", counter.label_value}, {"value", counter.value}});
  if (status.newest.step > 0) out["newest_step"] = metrics_line(status.newest);
  out["responses"] = ordered_json::array();
  for (const LoggedResponse& response : status.responses) out["responses"].push_back(completion_line(response));
  return out;
}

Result<LiveStatus> parse_live_status(std::string_view text) {
  PROSODIA_ASSIGN(const json object, parse_json_object(text, "status"));
  uint64_t format = 0;
  const Reader reader(object);
  reader.get("format", format);
  if (format != 1)
    return fail(ErrorCode::kInvalidInput, "expected a run's status of format 1, found format {}: another program?",
                format);
  LiveStatus status;
  reader.get("run", status.run_name);
  reader.get("run_id", status.run_id);
  reader.get("wall_time", status.wall_time);
  reader.get("start_time", status.start_time);
  std::string phase;
  reader.get("phase", phase);
  for (const auto& [value, word] : kPhases)
    if (word == phase) status.phase = value;
  reader.get("message", status.message);
  reader.get("life", status.life);
  reader.get("step", status.trained_steps);
  reader.get("total_steps", status.total_steps);
  reader.get("last_checkpoint", status.last_checkpoint);
  reader.get("lag", status.lag);
  reader.get("gate", status.gate);
  reader.get("learner", status.learner);
  reader.get("active_leases", status.active_leases);
  reader.get("groups", status.groups);
  parse_lists(reader, status);
  return status;
}

LoggedResponse cut_for_show(LoggedResponse logged) {
  cut_text(logged.response.prompt, kMaxTextShown);
  cut_text(logged.response.response, kMaxTextShown);
  cut_text(logged.response.solution, kMaxTextShown);
  cut_text(logged.response.audio, kMaxTextShown);
  return logged;
}

}  // namespace prosodia
