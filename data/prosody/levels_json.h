// ProsodyLevels <-> the "prosody" object of a dataset row: {"pitch":"high","energy":"normal",…}; unknown levels are
// absent. Pure functions. A value that is not a string or not a level of its attribute is an error; unknown keys are
// ignored, so that rows may carry more than we know.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "data/base/status.h"
#include "data/prosody/levels.h"

namespace prosodia {

nlohmann::json levels_to_json(const ProsodyLevels& levels);
Result<ProsodyLevels> levels_from_json(const nlohmann::json& object);

}  // namespace prosodia
