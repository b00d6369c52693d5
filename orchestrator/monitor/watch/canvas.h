// A grid of character cells that pages are drawn into: what a terminal shows, without a terminal. Tests read it back as
// text; NcursesScreen (ncurses_screen.h) shows it.
//
// Text comes from models and files: whatever is not printable (escape sequences, tabs, broken UTF-8) never reaches the
// terminal; it is drawn as a replacement. In ASCII every other character is replaced by its nearest one.
//
// Value type, single thread, cannot fail: what lies outside the grid is cut off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia::watch {

enum class Charset { kUnicode, kAscii };

enum class Style : uint8_t {
  kPlain,
  kDim,
  kStrong,
  kBar,  // header and footer
  kGood,
  kWarning,
  kBad,
  kCurve,
  kCurve2,
  kCurve3
};

struct Cell {
  char32_t glyph = U' ';  // 0: the right half of the wide glyph before it
  Style style = Style::kPlain;
};

struct Size {
  int rows = 24, columns = 80;
  friend bool operator==(const Size&, const Size&) = default;
};

struct Rect {
  int row = 0, column = 0, rows = 0, columns = 0;
};

class Canvas {
 public:
  Canvas(Size size, Charset charset)
      : size_(size), charset_(charset), cells_(static_cast<size_t>(size.rows) * static_cast<size_t>(size.columns)) {}

  Size size() const { return size_; }
  Charset charset() const { return charset_; }
  const Cell& at(int row, int column) const { return cells_[index(row, column)]; }

  void put(int row, int column, char32_t glyph, Style style);
  void fill(const Rect& rect, char32_t glyph, Style style);
  // At most `columns` wide; longer text ends in "…". Returns the columns used.
  int text(int row, int column, int columns, std::string_view utf8, Style style = Style::kPlain);
  // Ends before column `end`; returns where it begins.
  int text_right(int row, int end, std::string_view utf8, Style style = Style::kPlain);

  // UTF-8, blanks at the end removed.
  std::string line(int row) const;
  std::string all() const;  // every line, each with a newline

 private:
  size_t index(int row, int column) const {
    return static_cast<size_t>(row) * static_cast<size_t>(size_.columns) + static_cast<size_t>(column);
  }
  bool inside(int row, int column) const {
    return row >= 0 && row < size_.rows && column >= 0 && column < size_.columns;
  }
  Size size_;
  Charset charset_;
  std::vector<Cell> cells_;
};

// Columns that a text takes when it is drawn.
int width_of(std::string_view utf8);

// A text in lines of at most `columns` columns, broken at blanks where there are some and at line feeds. columns >= 2.
std::vector<std::string> wrap(std::string_view utf8, int columns);

}  // namespace prosodia::watch
