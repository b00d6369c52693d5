// The coordinator in the simulated world: the real RunCore over the real journal on a file system that loses power,
// fills up and fails to sync. It checks, whenever it comes back, that nothing it acknowledged is missing.
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
#include "orchestrator/coordinator/journal_retirement.h"
#include "orchestrator/core/run_core.h"
#include "tests/sim/world.h"

namespace prosodia::sim {

struct CoordinatorHooks {
  std::function<void(const std::string& peer, std::vector<std::byte> frame)> deliver;
  std::function<void(const std::string& worker)> replace;
};

class SimCoordinator {
 public:
  SimCoordinator(World& world, core::RunOptions options, std::vector<std::string> rows, uint64_t archive_steps,
                 CoordinatorHooks hooks);

  void boot();
  void receive(const std::string& peer, std::vector<std::byte> frame);  // lost while it is down
  void crash(Crash how);
  void crash_in_next_commit(Crash how, bool before_sync);
  void pause(int64_t for_ms);  // SIGSTOP … SIGCONT
  void request_stop();
  void run_again();  // after it stopped, as a new process without a stop request
  bool up() const { return core_ != nullptr; }
  // The disk: every sync takes up to so long; the next sync fails; no more than the bytes that are used now fit.
  void slow_disk(int64_t max_ms) { slow_ms_ = max_ms; }
  void fail_next_sync() { fs_.fail_sync(1, 5 /* EIO */); }
  void fill_disk(uint64_t room_bytes) { fs_.set_capacity(fs_.used_bytes() + room_bytes); }
  void heal_disk();

  // Outcome.
  bool complete() const { return complete_.has_value(); }
  const core::Complete& completion() const { return *complete_; }
  const std::optional<std::string>& stopped() const { return stopped_; }
  const std::optional<Error>& failed() const { return failed_; }
  std::map<uint64_t, size_t> trained_records() const;  // durable StepTrained records per step
  uint64_t boots() const { return boots_; }
  uint64_t reloads() const { return reloads_; }
  uint64_t archive_reloads() const { return archive_reloads_; }
  uint64_t folded_steps() const { return retirement_.folded_steps(); }
  size_t acknowledged() const { return acked_.size(); }
  uint64_t lost() const { return lost_; }
  std::string describe() const;  // where a run that does not end stands
  core::Counters total() const;  // summed over lives
  std::vector<std::string> violations;

 private:
  bool is_blocked() const { return syncing_ || world_.now_ms() < paused_until_ms_; }
  void tick(uint64_t boot);
  void schedule_processing(int64_t delay_ms);
  void process(uint64_t boot);
  void drive(core::Actions actions);
  bool write(const core::Actions& actions);
  void perform_all(core::Actions& actions);
  void perform(core::Action& action);
  void archive(uint64_t end);
  void note_result(const std::string& peer, std::span<const std::byte> frame);
  void note_ack(const std::string& peer, std::span<const std::byte> frame);
  void check_nothing_lost();
  void reload(const core::Reload& request);
  void down(Crash how);

  World& world_;
  core::RunOptions options_;
  std::vector<std::string> rows_;
  uint64_t archive_steps_;
  std::map<uint64_t, std::vector<protocol::BatchGroup>> archive_;  // closed segments: survive crashes
  CoordinatorHooks hooks_;
  FaultyFileSystem fs_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<core::RunCore> core_;
  JournalRetirement retirement_;
  std::vector<std::pair<std::string, std::vector<std::byte>>> inbox_;
  bool process_scheduled_ = false, syncing_ = false;
  int64_t paused_until_ms_ = 0, slow_ms_ = 0;
  uint64_t boots_ = 0, reloads_ = 0, archive_reloads_ = 0, lost_ = 0;
  std::optional<Crash> commit_crash_;
  bool commit_crash_before_sync_ = false;
  bool stop_requested_ = false;

  std::map<std::pair<std::string, uint64_t>, std::pair<GroupId, bool>> results_;  // (peer, seq) -> group, is reward
  std::set<std::pair<GroupId, bool>> acked_;
  std::map<uint64_t, std::set<uint64_t>> trained_;  // step -> LSNs of its durable StepTrained records
  std::optional<core::Complete> complete_;
  std::optional<std::string> stopped_;
  std::optional<Error> failed_;
  core::Counters total_;
};

}  // namespace prosodia::sim
