#include "data/text/word_split.h"

#include "data/text/unicode.h"

namespace prosodia {
namespace {

struct Char {
  CharClass char_class = CharClass::kOther;
  char32_t code_point = 0;
  size_t end = 0;  // byte after it
};

// The character at `at`; at the end of the text an empty one, which no rule below accepts.
Char char_at(std::string_view text, size_t at) {
  if (at >= text.size()) return {CharClass::kOther, 0, at};
  const Utf8Char decoded = utf8_at(text, at);
  return {char_class(decoded.code_point), decoded.code_point, at + decoded.length};
}

bool is_line_break(char32_t c) { return c == '\r' || c == '\n'; }

// Lower case of the letters in the contractions; U+017F (long s) folds to s.
char32_t fold(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  return c == 0x17F ? U's' : c;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d); 0 when there is none.
size_t contraction_end(std::string_view text, size_t begin) {
  if (text[begin] != '\'') return 0;
  const Char first = char_at(text, begin + 1);
  const char32_t one = fold(first.code_point);
  if (one == 's' || one == 't' || one == 'm' || one == 'd') return first.end;
  const Char second = char_at(text, first.end);
  const char32_t two = fold(second.code_point);
  if ((one == 'r' && two == 'e') || (one == 'v' && two == 'e') || (one == 'l' && two == 'l')) return second.end;
  return 0;
}

template <class Predicate>
size_t skip_while(std::string_view text, size_t at, Predicate predicate) {
  while (at < text.size()) {
    const Char c = char_at(text, at);
    if (!predicate(c)) break;
    at = c.end;
  }
  return at;
}

bool is_letter(const Char& c) { return c.char_class == CharClass::kLetter; }
bool is_symbol(const Char& c) { return c.char_class == CharClass::kOther; }

// \s*[\r\n]+ | \s+(?!\S) | \s+
size_t white_space_end(std::string_view text, size_t begin) {
  size_t at = begin, last_start = begin, after_break = 0;
  while (at < text.size()) {
    const Char c = char_at(text, at);
    if (c.char_class != CharClass::kSpace) break;
    last_start = at;
    at = c.end;
    if (is_line_break(c.code_point)) after_break = at;
  }
  if (after_break != 0) return after_break;
  if (at == text.size() || last_start == begin) return at;
  return last_start;  // the last one goes with the word that follows
}

}  // namespace

size_t word_end(std::string_view text, size_t begin) {
  if (const size_t end = contraction_end(text, begin); end != 0) return end;

  // [^\r\n\p{L}\p{N}]?\p{L}+
  const Char first = char_at(text, begin);
  if (is_letter(first)) return skip_while(text, first.end, is_letter);
  const Char second = char_at(text, first.end);
  const bool has_second = first.end < text.size();
  if (first.char_class != CharClass::kNumber && !is_line_break(first.code_point) && has_second && is_letter(second)) {
    return skip_while(text, second.end, is_letter);
  }
  if (first.char_class == CharClass::kNumber) return first.end;  // \p{N}

  // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  if (is_symbol(first) || (first.code_point == ' ' && has_second && is_symbol(second))) {
    const size_t symbols_end = skip_while(text, first.end, is_symbol);
    return skip_while(text, symbols_end, [](const Char& c) { return is_line_break(c.code_point); });
  }
  return white_space_end(text, begin);
}

}  // namespace prosodia
