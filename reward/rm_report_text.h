// Writers of an RmReport: JSON for programs, a table for the terminal and a small self-contained page. Called by
// `train-rm`. Pure; thread-safe; the caller writes the files. Undefined numbers are null in JSON and an en dash
// elsewhere, never 0.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "reward/evaluation_report.h"
#include "reward/rm_report.h"

namespace prosodia {

nlohmann::json to_json(const RmReport& report);
std::string to_text(const RmReport& report);  // ends with a newline
std::string to_html(const RmReport& report, const EvalPageInfo& info);

}  // namespace prosodia
