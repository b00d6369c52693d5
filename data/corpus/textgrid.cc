// Praat's text files: what counts are numbers that stand free, texts in quotes (a doubled quote is one) and flags in
// angle brackets; everything else ("xmin =", "intervals [3]:") is decoration, and "!" begins a comment.
#include <algorithm>
#include <cctype>
#include <optional>

#include "data/base/number.h"
#include "data/corpus/word_sidecar.h"

namespace prosodia {
namespace {

class Tokens {
 public:
  Tokens(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Result<std::string> string() {
    for (skip_space(); at_ < text_.size(); skip_space()) {
      if (text_[at_] != '"') {
        if (parse_number(word())) return expected("a text in quotes");
        continue;
      }
      std::string value;
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] != '"') {
          value.push_back(text_[at_]);
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
          value.push_back(text_[++at_]);
        } else {
          ++at_;
          return value;
        }
      }
    }
    return expected("a text in quotes");
  }

  Result<double> number() {
    for (skip_space(); at_ < text_.size(); skip_space()) {
      if (text_[at_] == '"') break;
      if (const auto value = parse_number(word())) return *value;
    }
    return expected("a number");
  }

  // A count of things that each take some bytes: a file cannot claim more of them than it has room for.
  Result<size_t> count() {
    PROSODIA_ASSIGN(const double value, number());
    if (!(value >= 0 && value <= static_cast<double>(text_.size()))) return expected("a count within the file's size");
    return static_cast<size_t>(value);
  }

  tl::unexpected<Error> expected(std::string_view what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    return fail(ErrorCode::kInvalidInput, "{}:{}: not a TextGrid in text form: expected {}", name_, line, what);
  }

 private:
  void skip_space() {
    while (at_ < text_.size()) {
      if (text_[at_] == '!') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
        ++at_;
      } else {
        return;
      }
    }
  }
  std::string_view word() {
    const size_t begin = at_;
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) == 0) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_, name_;
  size_t at_ = 0;
};

struct Tier {
  std::string name;
  bool is_interval = false;
  std::vector<Word> words;
};

bool is_pause(std::string_view text) {
  return text.empty() || text.front() == '<' || text == "sil" || text == "sp" || text == "spn" || text == "SIL";
}

Result<Tier> read_tier(Tokens& tokens) {
  Tier tier;
  PROSODIA_ASSIGN(const std::string kind, tokens.string());
  if (kind != "IntervalTier" && kind != "TextTier") return tokens.expected("\"IntervalTier\" or \"TextTier\"");
  tier.is_interval = kind == "IntervalTier";
  PROSODIA_ASSIGN(tier.name, tokens.string());
  for (int i = 0; i < 2; ++i) PROSODIA_TRY(tokens.number());  // begin and end of the tier
  PROSODIA_ASSIGN(const size_t count, tokens.count());
  for (size_t i = 0; i < count; ++i) {
    PROSODIA_ASSIGN(const double start, tokens.number());
    double end = start;
    if (tier.is_interval) {
      PROSODIA_ASSIGN(end, tokens.number());
    }
    PROSODIA_ASSIGN(std::string text, tokens.string());
    const size_t first = text.find_first_not_of(" \t\r\n");
    text = first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
    if (!is_pause(text)) {
      tier.words.push_back({std::move(text), static_cast<float>(start), static_cast<float>(end), false, false});
    }
  }
  return tier;
}

}  // namespace

Result<std::vector<Word>> parse_textgrid(std::string_view text, std::string_view name) {
  if (text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE")) {
    return fail(ErrorCode::kInvalidInput, "{}: UTF-16; save it as UTF-8 (Praat: Preferences, Text writing)", name);
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Tokens tokens(text, name);
  PROSODIA_ASSIGN(const std::string type, tokens.string());
  PROSODIA_ASSIGN(const std::string object, tokens.string());
  if (type != "ooTextFile" || object != "TextGrid") return tokens.expected("\"ooTextFile\" and \"TextGrid\"");
  for (int i = 0; i < 2; ++i) PROSODIA_TRY(tokens.number());
  PROSODIA_ASSIGN(const size_t count, tokens.count());
  std::optional<std::vector<Word>> only;
  size_t interval_tiers = 0;
  for (size_t i = 0; i < count; ++i) {
    PROSODIA_ASSIGN(Tier tier, read_tier(tokens));
    if (!tier.is_interval) continue;
    std::transform(tier.name.begin(), tier.name.end(), tier.name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (tier.name == "words" || tier.name == "word") return std::move(tier.words);
    ++interval_tiers;
    only = std::move(tier.words);
  }
  if (interval_tiers != 1) {
    return fail(ErrorCode::kInvalidInput, "{}: none of its {} interval tiers is named \"words\"", name, interval_tiers);
  }
  return std::move(*only);
}

}  // namespace prosodia
