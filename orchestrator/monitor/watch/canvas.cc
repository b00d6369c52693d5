#include "orchestrator/monitor/watch/canvas.h"

#include <utf8proc.h>

#include <algorithm>

namespace prosodia::watch {
namespace {

constexpr char32_t kReplacement = U'\uFFFD';

struct Glyph {
  char32_t code = 0;
  int columns = 1;   // 0, 1 or 2
  size_t bytes = 1;  // in the text
};

// The first character of a text that is not empty; never one that a terminal would act upon.
Glyph first_glyph(std::string_view text) {
  utf8proc_int32_t code = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t size = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (size <= 0) return {kReplacement, 1, 1};
  const auto length = static_cast<size_t>(size);
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CC:  // controls: ESC, BEL, CR, tabs …
      return {code == '\t' || code == '\n' ? U' ' : kReplacement, 1, length};
    case UTF8PROC_CATEGORY_CF:  // direction overrides and the like
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return {static_cast<char32_t>(code), 0, length};
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
      return {kReplacement, 1, length};
    default:
      return {static_cast<char32_t>(code), std::clamp(utf8proc_charwidth(code), 0, 2), length};
  }
}

char32_t to_ascii(char32_t code) {
  if (code < 0x80) return code;
  constexpr std::pair<char32_t, char> kNear[] = {{U'…', '~'},  {U'─', '-'}, {U'│', '|'}, {U'█', '#'}, {U'▓', '%'},
                                                 {U'▒', '='},  {U'░', '.'}, {U'·', '.'}, {U'±', '+'}, {U'→', '>'},
                                                 {U'–', '-'},  {U'—', '-'}, {U'×', 'x'}, {U'“', '"'}, {U'”', '"'},
                                                 {U'’', '\''}, {U'‘', '\''}};
  const auto* found = std::find_if(std::begin(kNear), std::end(kNear), [&](const auto& p) { return p.first == code; });
  return found == std::end(kNear) ? U'?' : static_cast<char32_t>(found->second);
}

void append_utf8(std::string& out, char32_t code) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

}  // namespace

int width_of(std::string_view text) {
  int columns = 0;
  for (; !text.empty();) {
    const Glyph glyph = first_glyph(text);
    columns += glyph.columns;
    text.remove_prefix(glyph.bytes);
  }
  return columns;
}

void Canvas::put(int row, int column, char32_t glyph, Style style) {
  if (!inside(row, column)) return;
  cells_[index(row, column)] = {charset_ == Charset::kAscii ? to_ascii(glyph) : glyph, style};
}

void Canvas::fill(const Rect& rect, char32_t glyph, Style style) {
  for (int row = rect.row; row < rect.row + rect.rows; ++row)
    for (int column = rect.column; column < rect.column + rect.columns; ++column) put(row, column, glyph, style);
}

int Canvas::text(int row, int column, int columns, std::string_view utf8, Style style) {
  columns = std::min(columns, size_.columns - column);
  if (columns <= 0) return 0;
  const bool cut = width_of(utf8) > columns;
  const int room = cut ? columns - 1 : columns;
  int used = 0;
  while (!utf8.empty()) {
    const Glyph glyph = first_glyph(utf8);
    if (used + glyph.columns > room) break;
    utf8.remove_prefix(glyph.bytes);
    if (glyph.columns == 0) continue;
    put(row, column + used, glyph.code, style);
    if (glyph.columns == 2) {
      if (charset_ == Charset::kAscii)
        put(row, column + used + 1, U' ', style);
      else if (inside(row, column + used + 1))
        cells_[index(row, column + used + 1)] = {0, style};
    }
    used += glyph.columns;
  }
  if (cut) put(row, column + used++, U'…', style);
  return used;
}

int Canvas::text_right(int row, int end, std::string_view utf8, Style style) {
  const int begin = std::max(0, end - width_of(utf8));
  text(row, begin, end - begin, utf8, style);
  return begin;
}

std::string Canvas::line(int row) const {
  std::string out;
  for (int column = 0; column < size_.columns; ++column)
    if (at(row, column).glyph != 0) append_utf8(out, at(row, column).glyph);
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string Canvas::all() const {
  std::string out;
  for (int row = 0; row < size_.rows; ++row) out += line(row) + "\n";
  return out;
}

namespace {

// One paragraph without line feeds.
void wrap_paragraph(std::string_view text, int columns, std::vector<std::string>& lines) {
  do {
    size_t end = 0, blank = 0;
    int used = 0;
    while (end < text.size()) {
      const Glyph glyph = first_glyph(text.substr(end));
      if (used + glyph.columns > columns) break;
      used += glyph.columns;
      end += glyph.bytes;
      if (text[end - 1] == ' ') blank = end;
    }
    if (end < text.size() && blank > 0 && text[end] != ' ') end = blank;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  } while (!text.empty());
}

}  // namespace

std::vector<std::string> wrap(std::string_view text, int columns) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    wrap_paragraph(text.substr(begin, end - begin), std::max(columns, 2), lines);
    begin = end + 1;
  }
  return lines;
}

}  // namespace prosodia::watch
