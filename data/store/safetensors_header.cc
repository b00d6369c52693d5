#include "data/store/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

namespace prosodia {
namespace {

constexpr size_t kMaxRank = 16;
constexpr size_t kMaxNameBytes = 4096;
constexpr std::string_view kMetadata = "__metadata__";

// Receives the parser's events and walks the format's grammar. A handler returns false to stop, with the reason kept.
class HeaderBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  SafetensorsHeader header;
  std::string problem;

  bool start_object(size_t) override {
    switch (place_) {
      case Place::kOutside:
        place_ = Place::kFile;
        return true;
      case Place::kTensorValue:
        place_ = Place::kTensor;
        return true;
      case Place::kMetadataValue:
        place_ = Place::kMetadataObject;
        return true;
      default:
        return stop("an object where none belongs");
    }
  }
  bool end_object() override {
    if (place_ == Place::kTensor) {
      const auto& entry = header.entries.back();
      if (fields_ != 7 || entry.offsets.size() != 2) return stop("needs dtype, shape and data_offsets [begin, end]");
    }
    place_ = place_ == Place::kFile ? Place::kEnd : Place::kFile;
    return true;
  }
  bool key(string_t& key) override {
    if (key.size() > kMaxNameBytes)
      return stop(fmt::format("a name of {} bytes, at most {} allowed", key.size(), kMaxNameBytes));
    if (place_ == Place::kFile) {
      where_ = key;
      if (!names_.insert(key).second) return stop("appears twice");
      place_ = key == kMetadata ? Place::kMetadataValue : Place::kTensorValue;
      fields_ = 0;
      if (place_ == Place::kTensorValue) header.entries.push_back({.name = key});
      return true;
    }
    if (place_ == Place::kMetadataObject) {
      metadata_key_ = key;
      place_ = Place::kMetadataText;
      return !header.metadata.contains(key) || stop(fmt::format("key \"{}\" appears twice", key));
    }
    return tensor_field(key);
  }
  bool start_array(size_t) override {
    if (place_ == Place::kShapeValue) return go(Place::kShape);
    if (place_ == Place::kOffsetsValue) return go(Place::kOffsets);
    return stop("an array where none belongs");
  }
  bool end_array() override { return go(Place::kTensor); }
  bool string(string_t& text) override {
    if (place_ == Place::kDtypeValue) {
      header.entries.back().dtype = text;
      return go(Place::kTensor);
    }
    if (place_ == Place::kMetadataText) {
      header.metadata[metadata_key_] = text;
      return go(Place::kMetadataObject);
    }
    return stop("a string where none belongs");
  }
  bool number_unsigned(number_unsigned_t value) override {
    auto& entry = header.entries.empty() ? none_ : header.entries.back();
    if (place_ == Place::kShape) {
      if (entry.shape.size() == kMaxRank) return stop(fmt::format("more than {} dimensions", kMaxRank));
      if (value > static_cast<uint64_t>(INT64_MAX)) return stop("a dimension over 2^63");
      entry.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets && entry.offsets.size() < 2) {
      entry.offsets.push_back(value);
      return true;
    }
    return stop("a number where none belongs");
  }
  bool number_integer(number_integer_t value) override { return stop(fmt::format("the negative number {}", value)); }
  bool number_float(number_float_t, const string_t& text) override {
    return stop("the number " + text + ", an integer was expected");
  }
  bool null() override { return stop("null"); }
  bool boolean(bool) override { return stop("a boolean"); }
  bool binary(binary_t&) override { return stop("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) override {
    if (problem.empty()) problem = fmt::format("not valid JSON at byte {}: {}", position, error.what());
    return false;
  }

 private:
  enum class Place {
    kOutside,
    kFile,
    kTensorValue,
    kTensor,
    kDtypeValue,
    kShapeValue,
    kShape,
    kOffsetsValue,
    kOffsets,
    kMetadataValue,
    kMetadataObject,
    kMetadataText,
    kEnd
  };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool stop(const std::string& what) {
    problem = where_.empty() ? what : fmt::format("\"{}\": {}", where_, what);
    return false;
  }
  bool tensor_field(const std::string& key) {
    const int bit = key == "dtype" ? 1 : key == "shape" ? 2 : key == "data_offsets" ? 4 : 0;
    if (bit == 0) return stop(fmt::format("unknown field \"{}\"", key));
    if ((fields_ & bit) != 0) return stop(fmt::format("field \"{}\" appears twice", key));
    fields_ |= bit;
    return go(bit == 1 ? Place::kDtypeValue : bit == 2 ? Place::kShapeValue : Place::kOffsetsValue);
  }

  Place place_ = Place::kOutside;
  int fields_ = 0;  // of the tensor being read
  std::string where_, metadata_key_;
  std::unordered_set<std::string> names_;
  SafetensorsHeader::Entry none_;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json, std::string_view file) {
  if (!json.starts_with('{'))
    return fail(ErrorCode::kInvalidInput, "{}: the header must begin with '{{': not a safetensors file?", file);
  HeaderBuilder builder;
  if (!nlohmann::json::sax_parse(json, &builder))
    return fail(ErrorCode::kInvalidInput, "{}: malformed safetensors header: {}", file, builder.problem);
  return std::move(builder.header);
}

}  // namespace prosodia
