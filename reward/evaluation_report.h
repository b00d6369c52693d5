// Writers of an EvalReport: JSON for programs, a self-contained HTML page (light and dark, no network, no scripts) and
// a plain-text table for the terminal. Called by `eval` and `report`. Pure; thread-safe; the caller writes the files.
// Undefined numbers are null in JSON and an en dash elsewhere, never 0.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "reward/evaluation.h"

namespace prosodia {

struct EvalPageInfo {
  std::string title = "Evaluation";
  std::string model, dataset;  // shown as given (escaped); may be empty
  std::string decoding;        // e.g. "greedy", "temperature 1.0, seed 7"
};

nlohmann::json to_json(const EvalReport& report);
std::string to_html(const EvalReport& report, const EvalPageInfo& info);
std::string to_text(const EvalReport& report);  // ends with a newline; at most 100 columns for ten labels

}  // namespace prosodia
