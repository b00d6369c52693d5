#include "data/prosody/levels_json.h"

#include <nlohmann/json.hpp>

namespace prosodia {

nlohmann::json levels_to_json(const ProsodyLevels& levels) {
  nlohmann::json object = nlohmann::json::object();
  for (Attribute attribute : kAttributes) {
    if (!levels[attribute].empty()) object[std::string(attribute_name(attribute))] = levels[attribute];
  }
  return object;
}

Result<ProsodyLevels> levels_from_json(const nlohmann::json& object) {
  if (!object.is_object()) {
    return fail(ErrorCode::kInvalidInput, "\"prosody\" must be an object such as {{\"pitch\":\"high\"}}, not {}",
                object.type_name());
  }
  ProsodyLevels levels;
  for (Attribute attribute : kAttributes) {
    const std::string key(attribute_name(attribute));
    const auto entry = object.find(key);
    if (entry == object.end() || entry->is_null()) continue;
    if (!entry->is_string()) {
      return fail(ErrorCode::kInvalidInput, "\"prosody\".\"{}\" must be a string, not {}", key, entry->type_name());
    }
    const auto value = entry->get<std::string>();
    if (!value.empty() && !level_names(attribute).empty() && !is_level(attribute, value)) {
      return fail(ErrorCode::kInvalidInput, "\"prosody\".\"{}\" is \"{}\"; expected one of: {}", key, value,
                  fmt::join(level_names(attribute), ", "));
    }
    levels[attribute] = value;
  }
  return levels;
}

}  // namespace prosodia
