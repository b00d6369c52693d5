// The phases that trace_writer.h left in a run folder, of all its processes.
//
// Called by `report`. Thread rule: pure but for the files. Failure rule: a run without traces has none; a line that is
// no event (torn by a power failure) is passed over and counted; an unreadable file is kInvalidInput or kStorage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

struct TracePhase {
  std::string name;
  int lane = 0;
  int64_t begin_us = 0, duration_us = 0;  // wall time, since 1970
  std::map<std::string, uint64_t> args;
  std::optional<uint64_t> step() const;
};

struct ProcessTrace {
  std::string process;
  std::vector<TracePhase> phases;  // by begin
};

struct RunTrace {
  std::vector<ProcessTrace> processes;  // by name
  uint64_t bad_lines = 0;
};
Result<RunTrace> read_traces(FileSystem& fs, const std::filesystem::path& run_dir);

// All files of the run as one JSON document, as strict readers want it. kInvalidInput when the run has no trace.
Result<std::string> merged_trace(FileSystem& fs, const std::filesystem::path& run_dir);

}  // namespace prosodia
