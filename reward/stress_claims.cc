#include "reward/stress_claims.h"

#include "reward/claim_items.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

constexpr size_t kReach = 12;  // tokens between "stress" and the words it is on
constexpr size_t kMaxQuotedWords = 2;

bool is_stress_noun(std::string_view word) {
  return is_one_of(word, {"stress", "stresses", "stressing", "emphasis", "accent", "prominence", "emphasizes",
                          "emphasizing", "emphasises", "emphasising", "accentuates"});
}
bool is_stress_participle(std::string_view word) {
  return is_one_of(word, {"stressed", "emphasized", "emphasised", "accented", "accentuated"});
}
bool is_list_word(std::string_view word) { return is_one_of(word, {",", "and", "the", "or"}); }
bool ends_word_list(std::string_view word) {
  return is_one_of(word, {"is", "are", "was", "were", "with", "which", "suggests", "suggesting", "indicates", "while",
                          "but", "in", "at", "so", "to", "for", "of", "conveys", "shows"});
}

bool quoted(const ClaimToken& token) {
  return token.quote_words > 0 && token.quote_words <= kMaxQuotedWords && token.text != ",";
}

// Words announced without quotation marks: "on the word never", "stressed words: never, again", "stress on never."
std::vector<size_t> announced_words(const ClaimSentence& sentence, size_t at) {
  size_t i = at + 1;
  const auto word = [&](size_t k) { return k < sentence.size() ? std::string_view(sentence[k].text) : ""; };
  while (is_one_of(word(i), {"is", "falls", "placed", "put", "on", "upon", "the"})) ++i;
  const bool listed = is_one_of(word(i), {"word", "words"});
  if (!listed && !is_one_of(word(i - 1), {"on", "upon"})) return {};
  if (listed) ++i;
  while (is_one_of(word(i), {"is", "are"})) ++i;
  std::vector<size_t> found;
  while (i < sentence.size() && i <= at + kReach && !ends_word_list(word(i))) {
    if (!is_list_word(word(i))) {
      if (!listed && !found.empty()) return {};  // "stress on emotional content" names no word
      found.push_back(i);
      if (i + 1 < sentence.size() && !is_list_word(word(i + 1)) && !ends_word_list(word(i + 1))) {
        return listed ? found : std::vector<size_t>{};
      }
    } else if (!listed) {
      break;
    }
    ++i;
  }
  return found;
}

std::vector<size_t> stressed_words(const ClaimSentence& sentence, size_t at) {
  std::vector<size_t> found;
  for (size_t i = at + 1; i < sentence.size() && i <= at + kReach; ++i) {
    if (quoted(sentence[i])) found.push_back(i);
  }
  if (!found.empty()) return found;
  if (is_stress_participle(sentence[at].text)) {
    for (size_t i = at; i-- > 0 && at - i <= kReach / 2;) {
      if (quoted(sentence[i])) found.push_back(i);
    }
    if (!found.empty()) return found;
  }
  return announced_words(sentence, at);
}

bool is_negated(const ClaimSentence& sentence, size_t at) {
  for (size_t i = at; i-- > 0 && at - i <= 4;) {
    const std::string_view word = sentence[i].text;
    if (quoted(sentence[i])) continue;
    if (word == ",") return false;
    if (is_one_of(word, {"no", "not", "without", "never", "neither"}) || word.ends_with("n't")) return true;
  }
  return false;
}

}  // namespace

void append_stress_claims(const ClaimSentence& sentence, std::vector<Claim>& claims) {
  for (size_t at = 0; at < sentence.size(); ++at) {
    const std::string_view word = sentence[at].text;
    if ((!is_stress_noun(word) && !is_stress_participle(word)) || sentence[at].quote_words) continue;
    for (const size_t i : stressed_words(sentence, at)) {
      const ClaimToken& token = sentence[i];
      claims.push_back(
          {Attribute::kStress, normalize_answer(token.text), is_negated(sentence, at), token.begin, token.end});
    }
  }
}

}  // namespace prosodia
