// Little-endian serialisation for frames and journal payloads. Writing cannot fail; reading is bounds-checked and a
// reader that ran over its end stays failed, so a decoder checks `ok()` once, at its end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace prosodia {

static_assert(std::endian::native == std::endian::little, "frames and journals are written in native little-endian");

class ByteWriter {
 public:
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) {
    const auto* raw = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
  }
  void put_bytes(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void put_string(std::string_view text) {  // u32 length, bytes
    put(static_cast<uint32_t>(text.size()));
    put_bytes(std::as_bytes(std::span(text.data(), text.size())));
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void put_array(std::span<const T> values) {  // u32 count, values
    put(static_cast<uint32_t>(values.size()));
    put_bytes(std::as_bytes(values));
  }
  std::span<const std::byte> view() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}
  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  T get() {
    T value{};
    if (const auto raw = get_bytes(sizeof(T)); ok_) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> get_bytes(size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto head = rest_.first(size);
    rest_ = rest_.subspan(size);
    return head;
  }
  std::string get_string() {
    const auto raw = get_bytes(get<uint32_t>());
    return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  std::vector<T> get_array() {
    const size_t count = get<uint32_t>();
    const auto raw = get_bytes(count * sizeof(T));  // checked before allocating
    std::vector<T> values(ok_ ? count : 0);
    if (!values.empty()) std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace prosodia
