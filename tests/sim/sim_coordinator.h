// The coordinator in the simulated world: the real RunCore over the real journal on a file system that loses power.
// It checks, whenever it comes back, that nothing it acknowledged is missing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/store/journal.h"
#include "data/store/testing/faulty_file_system.h"
#include "orchestrator/core/run_core.h"
#include "tests/sim/world.h"

namespace prosodia::sim {

class SimCoordinator {
 public:
  using Deliver = std::function<void(const std::string& peer, std::vector<std::byte> frame)>;

  SimCoordinator(World& world, core::RunOptions options, std::vector<std::string> rows, uint64_t archive_steps,
                 Deliver deliver);

  void boot();
  void receive(const std::string& peer, std::vector<std::byte> frame);  // lost while it is down
  void crash(Crash how);
  void crash_in_next_commit(Crash how, bool before_sync);
  void request_stop();
  bool up() const { return core_ != nullptr; }

  // Outcome.
  bool complete() const { return complete_.has_value(); }
  const core::Complete& completion() const { return *complete_; }
  const std::optional<std::string>& stopped() const { return stopped_; }
  const std::optional<Error>& failed() const { return failed_; }
  const core::RunCore& core() const { return *core_; }
  std::map<uint64_t, int> trained_records() const;  // StepTrained records per step in the journal
  uint64_t boots() const { return boots_; }
  uint64_t reloads() const { return reloads_; }
  const core::Counters& total() const { return total_; }  // summed over lives
  std::vector<std::string> violations;

 private:
  void tick(uint64_t boot);
  void process();
  void drive(core::Actions actions);
  void perform(core::Action& action);
  void note_result(const std::string& peer, std::span<const std::byte> frame);
  void note_ack(const std::string& peer, std::span<const std::byte> frame);
  void check_nothing_lost();
  void reload(const core::Reload& request);
  void down(Crash how);

  World& world_;
  core::RunOptions options_;
  std::vector<std::string> rows_;
  uint64_t archive_steps_;
  uint64_t archived_ = 0;  // what lies in closed segments: survives crashes
  Deliver deliver_;
  FaultyFileSystem fs_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<core::RunCore> core_;
  std::vector<std::pair<std::string, std::vector<std::byte>>> inbox_;
  bool process_scheduled_ = false;
  uint64_t boots_ = 0, reloads_ = 0;
  std::optional<Crash> commit_crash_;
  bool commit_crash_before_sync_ = false;
  bool stop_requested_ = false;

  std::map<std::pair<std::string, uint64_t>, std::pair<GroupId, bool>> results_;  // (peer, seq) -> group, is reward
  std::set<std::pair<GroupId, bool>> acked_;
  std::optional<core::Complete> complete_;
  std::optional<std::string> stopped_;
  std::optional<Error> failed_;
  core::Counters total_;
};

}  // namespace prosodia::sim
