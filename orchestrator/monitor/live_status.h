// What a running coordinator shows to those who look: RUN/status.json, GET /status.json and the text of GET /metrics
// are made from it. A value: the coordinator fills one in about once a second and hands it over; readers keep theirs.
//
// | who                                  | does                                                         |
// |--------------------------------------|--------------------------------------------------------------|
// | coordinator/telemetry.h              | fills it in from RunCore, on the coordinator's thread        |
// | status_board.h                       | keeps the newest one for other threads                       |
// | metrics_server.h, status_file.h      | serve and write it                                           |
// | watch/                               | reads it back                                                |
//
// Everything is bounded: at most kMaxWorkersShown workers, kMaxResponsesShown responses with cut texts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/step_report.h"

namespace prosodia {

inline constexpr size_t kMaxWorkersShown = 512;
inline constexpr size_t kMaxResponsesShown = 24;
inline constexpr size_t kMaxTextShown = 2000;  // bytes of one prompt or response

struct WorkerView {
  std::string name;
  std::string role;             // "rollout", "reward", "learner"
  std::string state;            // "live", "dead", "gone", "wedged", "fenced"; of a learner also "idle", "training", …
  uint64_t leases = 0;          // groups in its hands
  double rate = 0;              // over the last minute: tokens/s sampled or trained on; of a reward worker responses/s
  double heard_seconds = 0;     // since its last frame
  double progress_seconds = 0;  // since its work moved on, or it had nothing to do
};

// One counter of the coordinator: family and label as in prometheus.h, since this coordinator process started.
struct CounterView {
  std::string family;       // "leases_expired"
  std::string label_value;  // "" = the family has no label
  double value = 0;
};

enum class RunPhase { kStarting, kRunning, kStopping, kComplete, kStopped, kFailed };
inline constexpr std::array kRunPhases = {RunPhase::kStarting, RunPhase::kRunning, RunPhase::kStopping,
                                          RunPhase::kComplete, RunPhase::kStopped, RunPhase::kFailed};
std::string_view name(RunPhase);
inline bool has_ended(RunPhase phase) {
  return phase == RunPhase::kComplete || phase == RunPhase::kStopped || phase == RunPhase::kFailed;
}

struct LiveStatus {
  std::string run_name;
  std::string run_id;     // 16 hexadecimal digits
  double wall_time = 0;   // Unix seconds when this was taken
  double start_time = 0;  // … when this coordinator process started
  RunPhase phase = RunPhase::kStarting;
  std::string message;  // of a stop or failure
  uint64_t life = 0;    // coordinator processes so far
  uint64_t trained_steps = 0, total_steps = 0, last_checkpoint = 0;
  uint64_t lag = 0;
  double gate = 0;
  std::string learner;  // "absent", "loading", "idle", "training"
  uint64_t active_leases = 0;
  std::map<std::string, uint64_t> groups;                           // in memory, by state
  std::map<std::string, std::map<std::string, uint64_t>> by_state;  // workers: role -> state -> count
  std::vector<WorkerView> workers;
  std::vector<CounterView> counters;
  StepReport newest;                      // the last step's metrics and times, no samples; step 0: none yet
  std::vector<LoggedResponse> responses;  // oldest first
};

nlohmann::ordered_json to_json(const LiveStatus&);
// kInvalidInput when it is no status; unknown keys are passed over, missing ones keep their defaults.
Result<LiveStatus> parse_live_status(std::string_view json_text);

// A response with prompt and text cut to kMaxTextShown.
LoggedResponse cut_for_show(LoggedResponse);

}  // namespace prosodia
