// The JSON header of a safetensors file: strict parsing. Used by safetensors.cc alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct SafetensorsHeader {
  struct Entry {
    std::string name, dtype;
    std::vector<int64_t> shape;
    std::vector<uint64_t> offsets;  // exactly two
  };
  std::vector<Entry> entries;  // as written
  std::map<std::string, std::string> metadata;
};

// `file` stands in messages. Rejects invalid UTF-8, duplicate keys, unknown or missing fields, numbers that are not
// non-negative integers, ranks over 16, names over 4096 bytes, anything nested deeper than the format.
Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view file);

}  // namespace prosodia
