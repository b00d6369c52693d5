#include "data/importers/text.h"

#include <array>

#include "data/text/unicode.h"

namespace prosodia {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

// Windows-1252, 0x80 to 0x9F; 0: not assigned.
constexpr std::array<char16_t, 32> kWindows1252 = {0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                                   0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

void append_utf8(char32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

char32_t from_windows1252(unsigned char byte) {
  if (byte < 0x80 || byte >= 0xA0) return byte;
  const char16_t code = kWindows1252[byte - 0x80u];
  return code != 0 ? code : U'\uFFFD';
}

}  // namespace

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim_ascii(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(separator)) != std::string_view::npos; text.remove_prefix(end + 1)) {
    parts.push_back(text.substr(0, end));
  }
  parts.push_back(text);
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines = split_at(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  for (std::string_view& line : lines) {
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return lines;
}

std::string to_utf8(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::string out;
  out.reserve(bytes.size());
  if (!is_valid_utf8(bytes)) {
    for (const char c : bytes) append_utf8(from_windows1252(static_cast<unsigned char>(c)), out);
    return out;
  }
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char character = utf8_at(bytes, at);
    if (character.code_point >= 0x80 && character.code_point < 0xA0) {
      append_utf8(from_windows1252(static_cast<unsigned char>(character.code_point)), out);
    } else {
      out += bytes.substr(at, character.length);
    }
    at += character.length;
  }
  return out;
}

std::string clean_transcript(std::string_view utf8) {
  std::string out;
  bool gap = false;
  for (size_t at = 0; at < utf8.size();) {
    const Utf8Char character = utf8_at(utf8, at);
    const std::string_view piece = utf8.substr(at, character.length);
    at += character.length;
    if (character.kind == Utf8Char::kValid && char_class(character.code_point) == CharClass::kSpace) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    const bool apostrophe = character.code_point == 0x2019 || character.code_point == 0x2018;
    out += apostrophe ? std::string_view("'") : piece;
  }
  return out;
}

}  // namespace prosodia
