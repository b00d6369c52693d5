// The report page: one HTML file with its data, styles and scripts inside and nothing from outside. Pure function.
//
// How texts get into it: the data is JSON without any "<" (page_json.h) and the scripts put it on the screen as text
// nodes only; titles and notes are escaped here; a clip's markup is made by data/card, which escapes its words.
#pragma once

#include <span>
#include <string>

#include "orchestrator/report/report_model.h"

namespace prosodia {

std::string report_page(std::span<const ShownRun> runs);

}  // namespace prosodia
