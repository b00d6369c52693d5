#include "data/base/json_difference.h"

#include "data/base/json.h"

namespace prosodia {

std::optional<JsonDifference> first_differing_key(const nlohmann::json& before, const nlohmann::json& now) {
  if (!before.is_object()) return JsonDifference{"record", brief(before), brief(now)};
  for (const auto& [key, value] : now.items()) {
    const nlohmann::json earlier = before.value(key, nlohmann::json());
    if (earlier != value) return JsonDifference{key, brief(earlier), brief(value)};
  }
  return std::nullopt;
}

}  // namespace prosodia
