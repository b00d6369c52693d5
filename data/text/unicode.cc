#include "data/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "data/base/check.h"
#include "data/text/unicode_tables.h"

namespace prosodia {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_white_space(char32_t c) {  // the White_Space property, complete and frozen in practice
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Number of continuation bytes after `lead` and the range of the first of them (Unicode, table 3-7); 0 for no lead
// byte.
struct Lead {
  uint8_t continuation = 0, low = 0x80, high = 0xBF;
};
Lead lead_of(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

}  // namespace

Utf8Char utf8_at(std::string_view text, size_t at) {
  const auto byte = static_cast<uint8_t>(text[at]);
  if (byte < 0x80) return {Utf8Char::kValid, 1, byte};
  const Lead lead = lead_of(byte);
  if (lead.continuation == 0) return {Utf8Char::kInvalid, 1};
  char32_t code_point = byte & (0x3F >> lead.continuation);
  uint8_t low = lead.low, high = lead.high;
  for (uint8_t i = 1; i <= lead.continuation; ++i, low = 0x80, high = 0xBF) {
    if (at + i >= text.size()) return {Utf8Char::kIncomplete, i};
    const auto next = static_cast<uint8_t>(text[at + i]);
    if (next < low || next > high) return {Utf8Char::kInvalid, i};
    code_point = (code_point << 6) | (next & 0x3F);
  }
  return {Utf8Char::kValid, static_cast<uint8_t>(lead.continuation + 1), code_point};
}

void append_utf8_lossy(std::string_view bytes, std::string& out) {
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char character = utf8_at(bytes, at);
    out += character.kind == Utf8Char::kValid ? bytes.substr(at, character.length) : kReplacement;
    at += character.length;
  }
}

size_t incomplete_utf8_tail(std::string_view bytes) {
  for (size_t tail = std::min<size_t>(3, bytes.size()); tail > 0; --tail) {
    const Utf8Char character = utf8_at(bytes, bytes.size() - tail);
    if (character.kind == Utf8Char::kIncomplete && character.length == tail) return tail;
  }
  return 0;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char character = utf8_at(text, at);
    if (character.kind != Utf8Char::kValid) return false;
    at += character.length;
  }
  return true;
}

namespace {

CharClass class_by_category(char32_t code_point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::kNumber;
    case UTF8PROC_CATEGORY_CN:
      if (unicode_tables::contains(unicode_tables::kNewerLetters, code_point)) return CharClass::kLetter;
      if (unicode_tables::contains(unicode_tables::kNewerNumbers, code_point)) return CharClass::kNumber;
      return CharClass::kOther;
    default:
      return CharClass::kOther;
  }
}

constexpr std::array<CharClass, 128> make_ascii_classes() {
  std::array<CharClass, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool space = c == ' ' || (c >= 0x09 && c <= 0x0D);
    classes[c] = letter                 ? CharClass::kLetter
                 : c >= '0' && c <= '9' ? CharClass::kNumber
                 : space                ? CharClass::kSpace
                                        : CharClass::kOther;
  }
  return classes;
}
constexpr std::array<CharClass, 128> kAsciiClasses = make_ascii_classes();

}  // namespace

CharClass char_class(char32_t code_point) {
  if (code_point < 0x80) return kAsciiClasses[code_point];
  return is_white_space(code_point) ? CharClass::kSpace : class_by_category(code_point);
}

namespace {

std::string compose(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  PROSODIA_CHECK(size >= 0, "{}", utf8proc_errmsg(size));
  std::string result(reinterpret_cast<const char*>(composed), static_cast<size_t>(size));
  std::free(composed);
  return result;
}

}  // namespace

std::string nfc(std::string_view text) {
  // Nothing below U+0300 composes or decomposes under NFC; from there on the UTF-8 lead byte is 0xCC or more.
  const bool unchanged =
      std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<uint8_t>(byte) < 0xCC; });
  if (unchanged) return std::string(text);
  std::string result;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char character = utf8_at(text, at);
    const size_t end = at + character.length;
    if (unicode_tables::contains(unicode_tables::kMarksUnknownToNfc, character.code_point)) {
      result += compose(text.substr(begin, at - begin));
      result += text.substr(at, character.length);
      begin = end;
    }
    at = end;
  }
  if (begin == 0) return compose(text);
  return result + compose(text.substr(begin));
}

}  // namespace prosodia
