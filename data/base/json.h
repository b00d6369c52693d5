// JSON from files and peers, parsed without surprises: bounded nesting (the library's writer, comparison and copy
// recurse, so a megabyte of '[' would end the process), no exceptions, one wording of errors.
//
// Called by everything that reads JSON it did not write itself. Pure functions, thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data/base/status.h"

namespace prosodia {

inline constexpr int kMaxJsonDepth = 64;  // no file format here needs ten

// kInvalidInput, naming `where` and the position, when `text` is not JSON in UTF-8 or is nested deeper than
// kMaxJsonDepth.
// `watch`: the library's parser callback, called as it reads.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view where,
                                  const nlohmann::json::parser_callback_t& watch = nullptr);
// The same, and it must be an object.
Result<nlohmann::json> parse_json_object(std::string_view text, std::string_view where);

// A value as one line of a JSONL file, without its line break. Never fails: text that is no UTF-8 (a model may emit
// half a character) gets replacement characters.
template <class Json>
std::string dump_line(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// The text of a member of an object; "" when it is missing or no text.
std::string text_member(const nlohmann::json& object, const char* key);

// A value as a message quotes it: one line, cut when long. Never fails.
std::string brief(const nlohmann::json& value);

}  // namespace prosodia
