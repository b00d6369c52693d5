// The line from the leader (the coordinator) to its supervisor: a pipe, one report a line. The coordinator is the one
// who sees that a process makes no progress; only the supervisor can kill it, also when it is stopped or deaf.
//
//   line   = "alive\n"                        about once a second; a leader that falls silent is replaced itself
//          | "replace " NAME " " REASON "\n"  kill the process NAME and start it again
// Anything else is ignored. Lines are shorter than PIPE_BUF, so they never mix. The pipe's number reaches the leader in
// the environment variable PROSODIA_SUPERVISOR_FD. A supervisor that does not start the leader as its own child (a
// batch script whose roles are Slurm steps) makes a FIFO on the leader's host and names it in PROSODIA_SUPERVISOR_FIFO,
// which comes first. Without either (no supervisor) reports go nowhere.
//
// Thread rule: each end belongs to one thread. Failure rule: a full or closed pipe drops the report: the supervisor is
// stopped or gone, and its end is the leader's end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/base/descriptor.h"
#include "data/base/status.h"

namespace prosodia::launch {

class SupervisorLine {  // the supervisor's end
 public:
  static Result<SupervisorLine> open();

  int leader_fd() const { return write_end_.get(); }  // to be inherited by the leader
  std::string environment() const;                    // "PROSODIA_SUPERVISOR_FD=…"

  struct Report {
    bool alive = false;
    std::string name, reason;  // of "replace"
  };
  std::vector<Report> read();  // what has arrived; never blocks

 private:
  SupervisorLine(Descriptor read_end, Descriptor write_end)
      : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {}
  Descriptor read_end_, write_end_;
  std::string partial_;
};

class SupervisorReporter {  // the leader's end
 public:
  SupervisorReporter();  // from the environment
  bool connected() const { return write_end_.valid(); }
  void alive() const;
  void replace(std::string_view name, std::string_view reason) const;

 private:
  void write_line(std::string line) const;
  Descriptor write_end_;
};

}  // namespace prosodia::launch
