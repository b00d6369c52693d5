// Writers of evaluations over several sets and of comparisons: JSON for programs, text for the terminal, a
// self-contained HTML page (as evaluation_report.h). Called by `eval`. Pure; thread-safe; the caller writes the files.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "reward/evaluation_compare.h"
#include "reward/evaluation_report.h"
#include "reward/evaluation_sets.h"

namespace prosodia {

nlohmann::json to_json(const EvalSummary& summary);
nlohmann::json to_json(const Comparison& comparison);

// The tables of all sets, then what is per set (per-emotion recall, confusion). Ends with a newline.
std::string to_text(const EvalSummary& summary, const std::string& scorer);
std::string to_text(const Comparison& comparison);

std::string to_html(const EvalSummary& summary, const EvalPageInfo& info, const std::string& scorer);
// `decodings`: a comparison for each decoding, with its name.
std::string comparison_html(const std::vector<std::pair<std::string, Comparison>>& decodings, const std::string& title);

}  // namespace prosodia
