// Where a recorded configuration differs from the one at hand, for messages that name the option. Pure functions,
// thread-safe.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace prosodia {

// Values as brief() of json.h gives them.
struct JsonDifference {
  std::string key, before, now;
};

// The first key of the object `now`, in its order, whose value was another or missing in `before`. Keys that only
// `before` has do not count. Key "record": `before` is no object.
std::optional<JsonDifference> first_differing_key(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace prosodia
