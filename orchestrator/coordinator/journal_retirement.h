// Which part of the journal is not needed any more: records of steps that are archived and lie behind both checkpoints.
// Used by the coordinator and the simulation. Single thread.
#pragma once

#include <cstdint>
#include <map>

#include "data/store/journal.h"
#include "orchestrator/core/run_core.h"

namespace prosodia {

class JournalRetirement {
 public:
  // Every record, as it is replayed or appended.
  void note(const core::RunCore& core, uint64_t lsn, const core::Record& record);
  // Steps whose records the journal's snapshot stands for; they lie in the archive alone.
  uint64_t folded_steps() const { return folded_; }
  void set_folded_steps(uint64_t steps) { folded_ = steps; }  // after a replay: RunCore::folded_steps()
  // Retires what can go; nothing to do is OK. An error is the journal's: final when its sync() fails too.
  Status retire(const core::RunCore& core, Journal& journal);

 private:
  std::map<uint64_t, uint64_t> first_lsn_;  // step -> its first record
  uint64_t folded_ = 0, tried_ = 0;
};

}  // namespace prosodia
