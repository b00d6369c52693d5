#include "data/base/json.h"

namespace prosodia {
namespace {

// Deepest nesting of brackets outside strings. Counts wrongly only in text that the parser refuses anyway.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view where,
                                  const nlohmann::json::parser_callback_t& watch) {
  if (const int depth = depth_of(text); depth > kMaxJsonDepth) {
    return fail(ErrorCode::kInvalidInput, "{}: JSON nested {} levels deep; at most {} are read", where, depth,
                kMaxJsonDepth);
  }
  try {
    return nlohmann::json::parse(text, watch);
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 7: …": the place helps, the rest is noise.
    std::string_view what = error.what();
    if (const size_t bracket = what.find("] "); bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
    return fail(ErrorCode::kInvalidInput, "{}: not valid JSON: {}", where, what);
  }
}

Result<nlohmann::json> parse_json_object(std::string_view text, std::string_view where) {
  auto json = parse_json(text, where);
  if (json && !json->is_object()) {
    return fail(ErrorCode::kInvalidInput, "{}: expected a JSON object, found {}", where, json->type_name());
  }
  return json;
}

std::string text_member(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string brief(const nlohmann::json& value) {
  constexpr size_t kMostBytes = 200;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMostBytes) text = text.substr(0, kMostBytes) + "…";
  return text;
}

}  // namespace prosodia
