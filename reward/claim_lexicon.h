// The words by which reasoning texts speak of prosody, for the claim parser only. Built once from data/prosody/levels.h
// and the synonyms in claim_lexicon.cc, then constant: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/prosody/levels.h"

namespace prosodia {

// What a noun announces. kTone ("tone"), kVoiceNoun ("voice") and kSpeech ("speech") take levels of several attributes;
// kOther ("emotion", "mood") takes the level away from any attribute.
enum class NounKind : uint8_t { kAttribute, kTone, kVoiceNoun, kSpeech, kOther };

// The claim that `level` makes when it belongs to `noun`: attribute and level, or an empty level for none.
struct LexiconEntry;
struct Sense {
  Attribute attribute = Attribute::kPitch;
  std::string_view level;
};
Sense resolve_sense(const LexiconEntry& noun, const LexiconEntry& level);

// The levels a word can mean, by attribute ("high": pitch high, energy high, speed fast). Empty: not for that one.
using LevelSenses = std::array<std::string_view, kAttributes.size()>;

enum class WordClass : uint8_t {
  kPlain,       // any other word
  kFunction,    // copula, preposition, article, pronoun …: ends the search for the noun an adjective belongs to
  kAnd,         // and, or, nor, then, … : joins levels and nouns
  kContrast,    // but, while, whereas, although: ends a negation
  kConclusion,  // suggests, indicates, so, therefore: what follows is about the emotion
  kSpeechNoun,  // words, manner …: a self-contained level word before it stays a claim
  kComma,
  kTrailer,  // level, throughout, overall …: may follow a level word without being what it qualifies
  kNegator,
  kNoun,
  kLevel,
};

struct LexiconEntry {
  std::vector<std::string> words;  // one or more consecutive tokens, hyphens and spaces alike
  WordClass word_class = WordClass::kPlain;
  NounKind noun = NounKind::kOther;         // kNoun
  Attribute attribute = Attribute::kPitch;  // kNoun of kind kAttribute; kLevel: the attribute meant without any noun
  LevelSenses senses{};                     // kLevel
  bool self_contained = false;              // kLevel: a claim about `attribute` without a noun
  bool always = false;                      // kLevel, self_contained: whatever follows ("quickly", "whispered")
};

class ClaimLexicon {
 public:
  static const ClaimLexicon& instance();
  // The longest entry that begins at tokens[at]; null when the token is unknown. `tokens` are lower case.
  const LexiconEntry* match(std::span<const std::string_view> tokens, size_t at) const;

 private:
  ClaimLexicon();
  void add(LexiconEntry entry);
  void add_class(WordClass word_class, std::string_view words);
  void add_noun(NounKind kind, Attribute attribute, std::string_view words);
  void add_level(const LevelSenses& senses, std::string_view words);
  void add_self_contained(Attribute attribute, std::string_view level, bool always, std::string_view words);
  void add_shared_vocabulary();
  std::unordered_map<std::string, std::vector<LexiconEntry>> by_first_;  // longest first
};

}  // namespace prosodia
