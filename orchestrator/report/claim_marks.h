// The claims of a response judged and placed for a browser. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "orchestrator/report/report_model.h"

namespace prosodia {

// `text` with what is no UTF-8 replaced, as everything in a page must be.
std::string shown_text(std::string_view text);

// Fills in claims and their counts. `response.sample.response` must be valid UTF-8.
void mark_claims(ShownResponse& response, const ProsodyLevels& levels);

}  // namespace prosodia
