// Where `prosodia watch` learns about a run: its folder, or a coordinator's metrics address.
//
// poll() may take long (a slow disk, a slow network), so the terminal's loop has it called by a thread of its own
// (feed.h). One thread at a time. It never fails: what is wrong is a note, and it tries again the next time.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/monitor/watch/watch_model.h"

namespace prosodia::watch {

struct Update {
  bool anew = false;  // forget all steps and responses first
  std::vector<StepReport> steps;
  std::vector<LoggedResponse> responses;  // the newest ones, in place of those known
  bool has_responses = false;
  std::optional<LiveStatus> live;
  Liveness liveness = Liveness::kWaiting;
  std::string note;
};

class RunSource {
 public:
  virtual ~RunSource() = default;
  virtual Update poll(double now) = 0;  // now: Unix seconds
};

// kInvalidInput when `run` is no folder.
Result<std::unique_ptr<RunSource>> open_folder(const std::filesystem::path& run);
// HOST:PORT of a coordinator with --metrics_port. kUsage when it is no such thing. Nothing is sent yet.
Result<std::unique_ptr<RunSource>> open_address(const std::string& address);

void apply(Update&& update, Model& model);

// A run is over when its status says so, when all its steps are there, or when nobody has worked on it for so long.
inline constexpr double kSilenceSeconds = 15;

}  // namespace prosodia::watch
