// A run folder as `report` shows it, with its configuration, which only the option table can read.
#pragma once

#include <filesystem>

#include "orchestrator/report/report_model.h"

namespace prosodia::cli {

// A folder without a config.ini (of `sft`), or with one that this program does not know, has no configuration.
RunInput report_input(const std::filesystem::path& run_dir);

}  // namespace prosodia::cli
