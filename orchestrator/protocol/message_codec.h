// Writer and reader of message fields with the same interface, so that one `visit` function a type describes both
// directions. Private to messages.cc. Reader: after any violation it stays failed and yields zeros; nothing is
// allocated before the remaining bytes can hold it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/base/bytes.h"
#include "data/base/check.h"
#include "data/base/digest.h"
#include "data/base/ids.h"

namespace prosodia::protocol {

template <class T>
struct Of {};  // selects the visit overload of T

class FieldWriter {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  void number(const T& value) { writer_.put(value); }
  void flag(const bool& value) { writer_.put(static_cast<uint8_t>(value)); }
  template <class E>
  void enumerator(const E& value, E, E) {
    writer_.put(value);
  }
  template <class Tag>
  void id(const Id<Tag>& value) {
    writer_.put(value.value);
  }
  void digest(const Digest& value) { writer_.put_bytes(std::as_bytes(std::span(value.bytes))); }
  void text(const std::string& value, size_t max) {
    PROSODIA_CHECK(value.size() <= max, "text of {} bytes, limit {}", value.size(), max);
    writer_.put_string(value);
  }
  // A message meant for people: cut rather than refused.
  void reason(const std::string& value, size_t max) { writer_.put_string(std::string_view(value).substr(0, max)); }
  template <class T>
  void array(const std::vector<T>& values, size_t max) {
    PROSODIA_CHECK(values.size() <= max, "{} values, limit {}", values.size(), max);
    writer_.put_array(std::span<const T>(values));
  }
  template <class T, class F>
  void list(const std::vector<T>& values, size_t max, size_t, F&& each) {
    PROSODIA_CHECK(values.size() <= max, "{} elements, limit {}", values.size(), max);
    writer_.put(static_cast<uint32_t>(values.size()));
    for (const T& value : values) each(value);
  }
  void require(bool condition) { PROSODIA_CHECK(condition, "a message breaks its own rules"); }
  std::vector<std::byte> take() { return writer_.take(); }

 private:
  ByteWriter writer_;
};

class FieldReader {
 public:
  explicit FieldReader(std::span<const std::byte> bytes) : reader_(bytes) {}

  template <class T>
  requires std::is_arithmetic_v<T>
  void number(T& value) { value = reader_.get<T>(); }
  void flag(bool& value) {
    const auto raw = reader_.get<uint8_t>();
    require(raw <= 1);
    value = raw == 1;
  }
  template <class E>
  void enumerator(E& value, E first, E last) {
    const auto read = reader_.get<E>();
    require(read >= first && read <= last);
    value = valid_ ? read : first;
  }
  template <class Tag>
  void id(Id<Tag>& value) {
    value = Id<Tag>(reader_.get<uint64_t>());
  }
  void digest(Digest& value) {
    const auto raw = reader_.get_bytes(value.bytes.size());
    if (!raw.empty()) std::memcpy(value.bytes.data(), raw.data(), raw.size());
  }
  void text(std::string& value, size_t max) {
    value = reader_.get_string();
    require(value.size() <= max);
  }
  void reason(std::string& value, size_t max) { text(value, max); }
  template <class T>
  void array(std::vector<T>& values, size_t max) {
    values = reader_.get_array<T>();
    require(values.size() <= max);
  }
  // Every element takes at least `min_bytes`, so a count that the rest of the payload cannot hold is refused first.
  template <class T, class F>
  void list(std::vector<T>& values, size_t max, size_t min_bytes, F&& each) {
    const size_t count = reader_.get<uint32_t>();
    require(count <= max && count * min_bytes <= reader_.remaining());
    if (!ok()) return;
    values.resize(count);
    for (T& value : values) {
      if (!ok()) return;
      each(value);
    }
  }
  void require(bool condition) { valid_ = valid_ && condition; }
  bool ok() const { return valid_ && reader_.ok(); }
  bool complete() const { return valid_ && reader_.at_end(); }

 private:
  ByteReader reader_;
  bool valid_ = true;
};

}  // namespace prosodia::protocol
