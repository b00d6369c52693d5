#include "reward/claim_tokens.h"

namespace prosodia {
namespace {

constexpr size_t kMaxQuoteBytes = 240;  // an opening quote without a partner this near is a stray mark

enum class Mark { kNone, kComma, kStop, kQuote, kApostrophe, kSkip };

struct Lexeme {
  Mark mark = Mark::kNone;  // kNone: part of a word
  size_t size = 1;
};

bool is_ascii_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Lexeme ascii_lexeme(std::string_view text, size_t at) {
  const char c = text[at];
  if (is_ascii_word(c)) return {};
  switch (c) {
    case ',':
      return {Mark::kComma};
    case '"':
      return {Mark::kQuote};
    case '\'':
    case '`':
      return {Mark::kApostrophe};
    case '.': {  // "1.5" and "f.0" go on; "high." stops
      const bool inside = at + 1 < text.size() && is_ascii_word(text[at + 1]) && at > 0 && is_ascii_word(text[at - 1]);
      return {inside ? Mark::kSkip : Mark::kStop};
    }
    case '!':
    case '?':
    case ';':
    case '\n':
    case '<':
    case '>':
      return {Mark::kStop};
    case '&':
      return {};
    default:
      return {Mark::kSkip};
  }
}

// U+2010 … U+2026, the typographic marks that models like to write (UTF-8: E2 80 xx). Other bytes are word bytes.
Lexeme lexeme(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (byte(0) < 0x80) return ascii_lexeme(text, at);
  if (byte(0) == 0xC2 && at + 1 < text.size() && byte(1) == 0xA0) return {Mark::kSkip, 2};
  if (byte(0) != 0xE2 || at + 2 >= text.size() || byte(1) != 0x80) return {};
  switch (byte(2)) {
    case 0x98:
    case 0x99:
      return {Mark::kApostrophe, 3};
    case 0x9C:
    case 0x9D:
      return {Mark::kQuote, 3};
    case 0x94:
    case 0x95:
    case 0xA6:
      return {Mark::kStop, 3};
    case 0x90:
    case 0x91:
    case 0x92:
    case 0x93:
      return {Mark::kSkip, 3};
    default:
      return {Mark::kNone, 3};
  }
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<ClaimSentence> run() {
    for (size_t at = 0; at < text_.size();) {
      const Lexeme next = lexeme(text_, at);
      handle(next, at);
      at += next.size;
    }
    end_sentence();
    return std::move(sentences_);
  }

 private:
  void handle(const Lexeme& next, size_t at) {
    switch (next.mark) {
      case Mark::kNone:
        append(at, next.size);
        return;
      case Mark::kApostrophe:
        apostrophe(at, next.size);
        return;
      case Mark::kComma:
        end_word();
        sentence_.push_back({",", at, at + 1, 0});
        return;
      case Mark::kStop:
        end_sentence();
        return;
      case Mark::kQuote:
        end_word();
        toggle_quote(at);
        return;
      case Mark::kSkip:
        end_word();
        return;
    }
  }

  void append(size_t at, size_t size) {
    if (word_.text.empty()) word_.begin = at;
    for (size_t i = 0; i < size; ++i) {
      const char c = text_[at + i];
      word_.text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    word_.end = at + size;
  }

  // Inside a word it belongs to it ("isn't"); at a word's edge it is a quotation mark ('never').
  void apostrophe(size_t at, size_t size) {
    const size_t after = at + size;
    const bool word_follows = after < text_.size() && lexeme(text_, after).mark == Mark::kNone;
    if (!word_.text.empty() && word_follows) {
      word_.text += '\'';
      word_.end = after;
      return;
    }
    const bool word_before = !word_.text.empty();
    end_word();
    if (word_before ? single_quote_open_ : word_follows) {
      toggle_quote(at);
      single_quote_open_ = !word_before;
    }
  }

  void toggle_quote(size_t at) {
    if (quote_open_ && at - quote_at_ <= kMaxQuoteBytes) {
      size_t first = sentence_.size(), words = 0;
      while (first > 0 && sentence_[first - 1].begin > quote_at_) words += sentence_[--first].text != ",";
      for (size_t i = first; i < sentence_.size(); ++i) sentence_[i].quote_words = words;
      quote_open_ = false;
      return;
    }
    quote_open_ = true;
    quote_at_ = at;
  }

  void end_word() {
    if (!word_.text.empty()) sentence_.push_back(std::move(word_));
    word_ = {};
  }

  void end_sentence() {
    end_word();
    quote_open_ = single_quote_open_ = false;
    if (!sentence_.empty()) sentences_.push_back(std::move(sentence_));
    sentence_ = {};
  }

  std::string_view text_;
  std::vector<ClaimSentence> sentences_;
  ClaimSentence sentence_;
  ClaimToken word_;
  bool quote_open_ = false, single_quote_open_ = false;
  size_t quote_at_ = 0;
};

}  // namespace

std::vector<ClaimSentence> split_claim_sentences(std::string_view text) { return Splitter(text).run(); }

}  // namespace prosodia
