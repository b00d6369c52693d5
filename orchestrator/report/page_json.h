// The page's data as JSON. Names are short where there are thousands of them; page/dom.js says what they mean. Numbers
// keep five significant digits. Pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>

#include "orchestrator/report/report_model.h"

namespace prosodia {

nlohmann::ordered_json page_json(std::span<const ShownRun> runs);

// What a group takes in the page. Its prompt, label, clip and transcript are in the page once, so they count when they
// are not in `seen`, and are added to it.
size_t group_bytes(const ShownGroup& group, std::set<std::string>& seen);

// JSON for a <script type="application/json">: no "<" in it, so nothing in a text can end the element or begin another.
std::string embedded_json(const nlohmann::ordered_json& json);

}  // namespace prosodia
