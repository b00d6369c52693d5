// parse_claims of faithfulness.h: level words find their noun within the sentence. Every search looks at a bounded
// number of items, so the time is linear in the text.
#include <algorithm>
#include <optional>

#include "reward/claim_items.h"
#include "reward/claim_tokens.h"
#include "reward/faithfulness.h"
#include "reward/stress_claims.h"

namespace prosodia {
namespace {

constexpr size_t kReach = 12;  // items between a level word and the noun it follows
constexpr size_t kNegationReach = 6;

struct Found {  // a level word's noun
  size_t noun = 0;
  bool over_conjunction = false;  // "high and rising pitch": another level or a comma lies between
};

struct Bound {
  size_t item = 0;  // the level word
  Claim claim;
};

class SentenceParser {
 public:
  explicit SentenceParser(const ClaimSentence& sentence) : items_(claim_items(sentence)) {}

  void run(std::vector<Claim>& out) {
    if (!bind_respectively()) {
      for (size_t i = 0; i < items_.size(); ++i) {
        if (items_[i].is(WordClass::kLevel)) bind(i);
      }
    }
    join_rise_and_fall();
    for (Bound& bound : bound_) out.push_back(std::move(bound.claim));
  }

 private:
  // "pitch and energy are high and low, respectively".
  bool bind_respectively() {
    std::vector<size_t> nouns, levels;
    bool asked = false;
    for (size_t i = 0; i < items_.size(); ++i) {
      asked |= items_[i].word == "respectively";
      if (items_[i].is(WordClass::kNoun)) nouns.push_back(i);
      if (items_[i].is(WordClass::kLevel)) levels.push_back(i);
    }
    if (!asked || nouns.size() < 2 || nouns.size() != levels.size() || nouns.back() > levels.front()) return false;
    for (size_t k = 0; k < nouns.size(); ++k) {
      emit(levels[k], resolve_sense(*items_[nouns[k]].entry, *items_[levels[k]].entry));
    }
    return true;
  }

  void bind(size_t i) {
    if (named_as_emotion(i)) return;
    const LexiconEntry& level = *items_[i].entry;
    const auto ahead = forward(i);
    const auto behind = qualifies_other(i) && !level.always ? std::nullopt : backward(i);
    if (ahead && (!ahead->over_conjunction || !behind || !fits(behind->noun, i))) {
      if (attach(ahead->noun, i, /*chain=*/+1)) return;
      if (!ahead->over_conjunction && !level.always) return;  // "rising energy", "high arousal"
    } else if (behind && attach(behind->noun, i, /*chain=*/-1)) {
      return;
    } else if (behind && !behind->over_conjunction && !level.always) {
      return;  // "the energy is rising", "the mood is soft"
    }
    if (level.self_contained && (level.always || !qualifies_other(i))) {
      emit(i, {level.attribute, level.senses[static_cast<size_t>(level.attribute)]});
    }
  }

  bool fits(size_t noun, size_t level) const {
    return !resolve_sense(*items_[noun].entry, *items_[level].entry).level.empty();
  }

  // The answer is called "whisper" too: "so the emotion is whisper" says nothing about the voice.
  bool named_as_emotion(size_t i) const {
    if (items_[i].word != "whisper") return false;
    for (size_t j = i; j-- > 0 && i - j <= kReach;) {
      if (items_[j].is(WordClass::kConclusion)) return true;
      if (items_[j].is(WordClass::kNoun)) return items_[j].entry->noun == NounKind::kOther;
    }
    return false;
  }

  // The noun that the level word stands before: "high overall pitch", "low but rising pitch", "high in energy".
  std::optional<Found> forward(size_t i) const {
    size_t plain = 0;
    Found found;
    for (size_t j = i + 1; j < items_.size() && j <= i + kReach; ++j) {
      const ClaimItem& item = items_[j];
      switch (item.word_class()) {
        case WordClass::kNoun:
          found.noun = j;
          return found;
        case WordClass::kLevel:
          found.over_conjunction |= j > i + 1;
          break;
        case WordClass::kPlain:
          if (++plain > 2) return std::nullopt;
          break;
        case WordClass::kTrailer:
          break;
        case WordClass::kAnd:
        case WordClass::kContrast:
        case WordClass::kComma:
        case WordClass::kNegator:  // "low rather than high pitch"
          if (!level_follows(j)) return std::nullopt;
          found.over_conjunction = true;
          break;
        case WordClass::kFunction: {
          const bool joins = (item.word == "in" && items_[j - 1].is(WordClass::kLevel)) ||
                             (item.word == "of" && items_[j - 1].is(WordClass::kTrailer));
          if (!joins) return std::nullopt;
          break;
        }
        default:
          return std::nullopt;
      }
    }
    return std::nullopt;
  }

  bool level_follows(size_t j) const {
    const auto is_level = [&](size_t k) { return k < items_.size() && items_[k].is(WordClass::kLevel); };
    return is_level(j + 1) || (j + 1 < items_.size() && items_[j + 1].is(WordClass::kPlain) && is_level(j + 2));
  }

  // The nearest noun before: "the pitch is high". over_conjunction: something was listed in between.
  std::optional<Found> backward(size_t i) const {
    Found found;
    for (size_t j = i; j-- > 0 && i - j <= kReach;) {
      switch (items_[j].word_class()) {
        case WordClass::kNoun:
          found.noun = j;
          return found;
        case WordClass::kConclusion:
          return std::nullopt;
        case WordClass::kAnd:
        case WordClass::kComma:
        case WordClass::kContrast:
        case WordClass::kLevel:
          found.over_conjunction = true;
          break;
        default:
          break;
      }
    }
    return std::nullopt;
  }

  // "low confidence", "a slow realisation": the word belongs to a noun that we do not know.
  bool qualifies_other(size_t i) const {
    if (i + 1 >= items_.size() || !items_[i + 1].is(WordClass::kPlain)) return false;
    const std::string_view next = items_[i + 1].word;
    if (next.ends_with("ly") || next.ends_with("ing")) return false;
    for (size_t j = i + 1; j < items_.size() && j <= i + 3; ++j) {
      if (items_[j].is(WordClass::kSpeechNoun) || items_[j].is(WordClass::kNoun)) return false;
      if (!items_[j].is(WordClass::kPlain) && !items_[j].is(WordClass::kLevel)) break;
    }
    return true;
  }

  // Binds the level to the noun and to the nouns it is listed with; false when it fits none of them.
  bool attach(size_t noun, size_t level, int chain) {
    std::vector<size_t> nouns{noun};
    const bool had_level = items_[noun].bound;
    while (chain != 0 && nouns.size() < kAttributes.size() && !(chain < 0 && had_level)) {
      const auto next = chain > 0 ? listed_after(nouns.back()) : listed_before(nouns.back());
      if (!next) break;
      nouns.push_back(*next);
    }
    bool any = false;
    for (const size_t each : nouns) {
      const Sense sense = resolve_sense(*items_[each].entry, *items_[level].entry);
      if (sense.level.empty()) continue;
      items_[each].bound = any = true;
      emit(level, sense);
    }
    return any;
  }

  // "pitch, energy and speed are high": the unbound noun listed before.
  std::optional<size_t> listed_before(size_t noun) const {
    bool joined = false;
    for (size_t j = noun; j-- > 0 && noun - j <= 5;) {
      const ClaimItem& item = items_[j];
      if (item.is(WordClass::kNoun)) return joined && !item.bound ? std::optional(j) : std::nullopt;
      if (item.is(WordClass::kAnd) || item.is(WordClass::kComma) || item.is(WordClass::kNegator)) {
        joined = true;
      } else if (!item.is(WordClass::kPlain) && !is_determiner(item.word)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  // "high pitch and energy": the noun listed after, unless it has a level of its own.
  std::optional<size_t> listed_after(size_t noun) const {
    if (noun + 2 >= items_.size() || !is_one_of(items_[noun + 1].word, {"and", "or", "&", "nor", "plus"})) return {};
    size_t next = noun + 2;
    while (next < items_.size() && next < noun + 5 &&
           (items_[next].is(WordClass::kPlain) || is_determiner(items_[next].word))) {
      ++next;
    }
    if (next >= items_.size() || !items_[next].is(WordClass::kNoun)) return {};
    for (size_t j = next + 1; j < items_.size() && j <= next + 5; ++j) {
      if (items_[j].is(WordClass::kLevel)) return {};
      if (!items_[j].is(WordClass::kFunction) && !items_[j].is(WordClass::kPlain)) break;
    }
    return next;
  }

  bool negated(size_t i) const {
    bool crossed_noun = false;
    for (size_t j = i; j-- > 0 && i - j <= kReach;) {
      const ClaimItem& item = items_[j];
      switch (item.word_class()) {
        case WordClass::kNegator:
          if (is_one_of(item.word, {"neither", "nor"})) return true;
          return !crossed_noun && i - j <= kNegationReach;
        case WordClass::kComma:
        case WordClass::kContrast:
        case WordClass::kConclusion:
          return false;
        case WordClass::kNoun:
          crossed_noun = true;
          break;
        case WordClass::kLevel:  // "not high or low" goes on, "not high and fast" does not
          if (j + 2 != i || items_[j + 1].word != "or") return false;
          i = j;
          break;
        default:
          break;
      }
    }
    return false;
  }

  void emit(size_t i, const Sense& sense) {
    if (sense.level.empty()) return;
    bound_.push_back({i, {sense.attribute, std::string(sense.level), negated(i), items_[i].begin, items_[i].end}});
  }

  // "rises and then falls" is one contour.
  void join_rise_and_fall() {
    std::vector<Bound> joined;
    for (Bound& next : bound_) {
      if (!joined.empty() && is_one_contour(joined.back(), next)) {
        Claim& claim = joined.back().claim;
        claim.level += "-" + next.claim.level;
        claim.end = next.claim.end;
        joined.back().item = next.item;
        continue;
      }
      joined.push_back(std::move(next));
    }
    bound_ = std::move(joined);
  }

  bool is_one_contour(const Bound& first, const Bound& second) const {
    const Claim &a = first.claim, &b = second.claim;
    if (a.attribute != Attribute::kIntonation || b.attribute != Attribute::kIntonation || a.negated || b.negated) {
      return false;
    }
    const bool turns = (a.level == "rising" && b.level == "falling") || (a.level == "falling" && b.level == "rising");
    if (!turns || second.item > first.item + 5) return false;
    for (size_t j = first.item + 1; j < second.item; ++j) {
      const ClaimItem& item = items_[j];
      const bool linking = item.is(WordClass::kAnd) || item.is(WordClass::kComma) || item.is(WordClass::kPlain) ||
                           item.is(WordClass::kFunction);
      if (!linking || item.word == "or") return false;
    }
    return true;
  }

  std::vector<ClaimItem> items_;
  std::vector<Bound> bound_;
};

}  // namespace

std::vector<Claim> parse_claims(std::string_view think) {
  std::vector<Claim> claims;
  for (const ClaimSentence& sentence : split_claim_sentences(think)) {
    const size_t first = claims.size();
    SentenceParser(sentence).run(claims);
    append_stress_claims(sentence, claims);
    std::stable_sort(claims.begin() + static_cast<ptrdiff_t>(first), claims.end(), [](const Claim& a, const Claim& b) {
      return std::pair(a.begin, a.attribute) < std::pair(b.begin, b.attribute);
    });
  }
  return claims;
}

}  // namespace prosodia
