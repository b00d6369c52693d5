// `prosodia report`: run folders in, one page out.
//
// Called by the command and by the coordinator's process when its run ends. Thread rule: one thread. Failure rule: as
// read_run.h; kStorage when the page cannot be written. The page is there whole or not at all.
#pragma once

#include <filesystem>
#include <vector>

#include "orchestrator/report/report_model.h"

namespace prosodia {

struct ReportOptions {
  double max_megabytes = 4.5;  // of the page without its clips: as many groups of responses are shown as fit; > 0
  size_t audio_clips = 0;      // to be played and seen, over all runs; one of 3 s takes about 150 kB
};

// At least one run. The order is that of the legend.
Result<std::string> make_report(FileSystem& fs, const std::vector<RunInput>& runs, const ReportOptions& options);

Status write_report(FileSystem& fs, const std::vector<RunInput>& runs, const ReportOptions& options,
                    const std::filesystem::path& page);

}  // namespace prosodia
