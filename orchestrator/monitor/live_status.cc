#include "orchestrator/monitor/live_status.h"

#include <algorithm>
#include <cmath>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr uint64_t kFormat = 1;

// Every field of a status and its key, once: `visit` is called with (key, member), to write or to read.
template <class Status, class Visit>
void each_field(Status& status, Visit&& visit) {
  visit("run", status.run_name);
  visit("run_id", status.run_id);
  visit("wall_time", status.wall_time);
  visit("start_time", status.start_time);
  visit("phase", status.phase);
  visit("message", status.message);
  visit("life", status.life);
  visit("step", status.trained_steps);
  visit("total_steps", status.total_steps);
  visit("last_checkpoint", status.last_checkpoint);
  visit("lag", status.lag);
  visit("gate", status.gate);
  visit("learner", status.learner);
  visit("active_leases", status.active_leases);
  visit("groups", status.groups);
  visit("workers_by_state", status.by_state);
  visit("workers", status.workers);
  visit("counters", status.counters);
  visit("newest_step", status.newest);
  visit("responses", status.responses);
}

template <class Worker, class Visit>
void each_worker_field(Worker& worker, Visit&& visit) {
  visit("name", worker.name);
  visit("role", worker.role);
  visit("state", worker.state);
  visit("leases", worker.leases);
  visit("rate", worker.rate);
  visit("heard_seconds", worker.heard_seconds);
  visit("progress_seconds", worker.progress_seconds);
}

template <class Counter, class Visit>
void each_counter_field(Counter& counter, Visit&& visit) {
  visit("family", counter.family);
  visit("label", counter.label_value);
  visit("value", counter.value);
}

// Writes a field, in the form in which it stands in the file.
class Writer {
 public:
  explicit Writer(ordered_json& out) : out_(out) {}
  template <class T>
  void operator()(const char* key, const T& value) const {
    out_[key] = value;
  }
  void operator()(const char* key, RunPhase phase) const { out_[key] = name(phase); }
  void operator()(const char* key, const StepReport& newest) const {
    if (newest.step > 0) out_[key] = metrics_line(newest);
  }
  void operator()(const char* key, const std::vector<WorkerView>& workers) const {
    list(key, workers, [](const WorkerView& worker, const Writer& write) { each_worker_field(worker, write); });
  }
  void operator()(const char* key, const std::vector<CounterView>& counters) const {
    list(key, counters, [](const CounterView& counter, const Writer& write) { each_counter_field(counter, write); });
  }
  void operator()(const char* key, const std::vector<LoggedResponse>& responses) const {
    ordered_json& array = out_[key] = ordered_json::array();
    for (const LoggedResponse& response : responses) array.push_back(completion_line(response));
  }

 private:
  template <class T, class WriteFields>
  void list(const char* key, const std::vector<T>& elements, WriteFields write_fields) const {
    ordered_json& array = out_[key] = ordered_json::array();
    for (const T& element : elements) {
      ordered_json object;
      write_fields(element, Writer(object));
      array.push_back(std::move(object));
    }
  }
  ordered_json& out_;
};

// Typed reads that keep the default when a key is missing or of another kind.
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {}
  void operator()(const char* key, std::string& out) const {
    if (const json* value = find(key); value != nullptr && value->is_string()) out = value->get<std::string>();
  }
  void operator()(const char* key, uint64_t& out) const {
    if (const json* value = find(key); value != nullptr && value->is_number_unsigned()) out = value->get<uint64_t>();
  }
  void operator()(const char* key, double& out) const {
    if (const json* value = find(key); value != nullptr && value->is_number()) out = value->get<double>();
  }
  void operator()(const char* key, RunPhase& out) const {
    std::string word;
    (*this)(key, word);
    for (const RunPhase phase : kRunPhases)
      if (name(phase) == word) out = phase;
  }
  void operator()(const char* key, std::map<std::string, uint64_t>& out) const {
    each_member(key, [&out](const std::string& name, const json& count) {
      if (count.is_number_unsigned()) out[name] = count.get<uint64_t>();
    });
  }
  void operator()(const char* key, std::map<std::string, std::map<std::string, uint64_t>>& out) const {
    each_member(key, [&](const std::string& name, const json& counts) {
      if (counts.is_object()) Reader (*find(key))(name.c_str(), out[name]);
    });
  }
  void operator()(const char* key, StepReport& out) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_object()) return;
    if (auto report = step_report_of(*value)) out = std::move(*report);
  }
  void operator()(const char* key, std::vector<WorkerView>& out) const {
    each_object(key, [&out](const json& object) { each_worker_field(out.emplace_back(), Reader(object)); });
  }
  void operator()(const char* key, std::vector<CounterView>& out) const {
    each_object(key, [&out](const json& object) { each_counter_field(out.emplace_back(), Reader(object)); });
  }
  void operator()(const char* key, std::vector<LoggedResponse>& out) const {
    each_object(key, [&out](const json& object) { out.push_back(logged_response_of(object)); });
  }

 private:
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  template <class Visit>
  void each_member(const char* key, Visit&& visit) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_object()) return;
    for (const auto& [name, member] : value->items()) visit(name, member);
  }
  template <class Visit>
  void each_object(const char* key, Visit&& visit) const {
    const json* value = find(key);
    if (value == nullptr || !value->is_array()) return;
    for (const json& element : *value)
      if (element.is_object()) visit(element);
  }
  const json& object_;
};

// A cut at `limit` bytes that leaves whole characters.
void cut_text(std::string& text, size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
  text += "…";
}

}  // namespace

std::string_view name(RunPhase phase) {
  switch (phase) {
    case RunPhase::kStarting:
      return "starting";
    case RunPhase::kRunning:
      return "running";
    case RunPhase::kStopping:
      return "stopping";
    case RunPhase::kComplete:
      return "complete";
    case RunPhase::kStopped:
      return "stopped";
    case RunPhase::kFailed:
      return "failed";
  }
  return "unknown";
}

ordered_json to_json(const LiveStatus& status) {
  ordered_json out = {{"format", kFormat}};
  each_field(status, Writer(out));
  return out;
}

Result<LiveStatus> parse_live_status(std::string_view text) {
  PROSODIA_ASSIGN(const json object, parse_json_object(text, "status"));
  const Reader read(object);
  uint64_t format = 0;
  read("format", format);
  if (format != kFormat)
    return fail(ErrorCode::kInvalidInput, "expected a run's status of format {}, found format {}: another program?",
                kFormat, format);
  LiveStatus status;
  each_field(status, read);
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
