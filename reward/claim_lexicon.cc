#include "reward/claim_lexicon.h"

#include <algorithm>

namespace prosodia {
namespace {

// "rising-falling" and "rising falling" are the same two words.
std::vector<std::string> split_words(std::string_view phrase) {
  std::vector<std::string> words;
  size_t begin = 0;
  while (begin <= phrase.size()) {
    const size_t end = std::min(phrase.find_first_of(" -", begin), phrase.size());
    if (end > begin) words.emplace_back(phrase.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

template <class Visit>
void for_each_phrase(std::string_view list, Visit visit) {  // comma-separated
  size_t begin = 0;
  while (begin < list.size()) {
    const size_t end = std::min(list.find(',', begin), list.size());
    visit(split_words(list.substr(begin, end - begin)));
    begin = end + 1;
  }
}

constexpr LevelSenses senses(std::string_view pitch, std::string_view energy, std::string_view speed,
                             std::string_view intonation = {}, std::string_view voice = {}) {
  return {pitch, energy, speed, intonation, voice, {}, {}, {}};
}
std::string_view sense_of(const LexiconEntry& level, Attribute attribute) {
  return level.senses[static_cast<size_t>(attribute)];
}

// The first of `order` that the level word can mean.
Sense first_sense(const LexiconEntry& level, std::initializer_list<Attribute> order) {
  for (const Attribute attribute : order) {
    if (!sense_of(level, attribute).empty()) return {attribute, sense_of(level, attribute)};
  }
  return {};
}

static_assert(static_cast<int>(Attribute::kVoice) == 4 && static_cast<int>(Attribute::kIntonation) == 3,
              "senses() lists attributes in the order of the enum");

}  // namespace

Sense resolve_sense(const LexiconEntry& noun, const LexiconEntry& level) {
  using enum Attribute;
  // "high", "low", "normal" fit pitch and energy alike.
  const bool general = !sense_of(level, kPitch).empty() && !sense_of(level, kEnergy).empty();
  switch (noun.noun) {
    case NounKind::kAttribute:
      if (noun.attribute == kPitch) return first_sense(level, {kPitch, kIntonation});  // "the pitch rises"
      return first_sense(level, {noun.attribute});
    case NounKind::kTone:
      return first_sense(level, {kIntonation, kPitch, kEnergy, kSpeed, kVoice});
    case NounKind::kVoiceNoun: {
      const Sense sense = first_sense(level, {kVoice, kIntonation});
      if (!sense.level.empty()) return sense;
      if (!general) return first_sense(level, {kEnergy, kSpeed, kPitch});
      // "a high voice" is about pitch; "a low voice" may be low or soft.
      return sense_of(level, kPitch) == "high" ? first_sense(level, {kPitch}) : Sense{};
    }
    case NounKind::kSpeech:
      if (general) return sense_of(level, kPitch) == "normal" ? first_sense(level, {kSpeed}) : Sense{};
      return first_sense(level, {kSpeed, kIntonation, kEnergy, kVoice});
    case NounKind::kOther:
      return {};
  }
  return {};
}

const ClaimLexicon& ClaimLexicon::instance() {
  static const ClaimLexicon lexicon;
  return lexicon;
}

const LexiconEntry* ClaimLexicon::match(std::span<const std::string_view> tokens, size_t at) const {
  const auto found = by_first_.find(std::string(tokens[at]));
  if (found == by_first_.end()) return nullptr;
  for (const LexiconEntry& entry : found->second) {
    if (at + entry.words.size() > tokens.size()) continue;
    if (std::equal(entry.words.begin(), entry.words.end(), tokens.begin() + static_cast<ptrdiff_t>(at))) return &entry;
  }
  return nullptr;
}

// The first meaning given to a phrase stays: the lists below come before the shared vocabulary.
void ClaimLexicon::add(LexiconEntry entry) {
  if (entry.words.empty()) return;
  auto& entries = by_first_[entry.words.front()];
  const auto same = [&](const LexiconEntry& other) { return other.words == entry.words; };
  if (std::any_of(entries.begin(), entries.end(), same)) return;
  entries.push_back(std::move(entry));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.words.size() > b.words.size(); });
}

void ClaimLexicon::add_class(WordClass word_class, std::string_view words) {
  for_each_phrase(words, [&](auto phrase) { add({.words = std::move(phrase), .word_class = word_class}); });
}

void ClaimLexicon::add_noun(NounKind kind, Attribute attribute, std::string_view words) {
  for_each_phrase(words, [&](auto phrase) {
    add({.words = std::move(phrase), .word_class = WordClass::kNoun, .noun = kind, .attribute = attribute});
  });
}

void ClaimLexicon::add_level(const LevelSenses& level_senses, std::string_view words) {
  for_each_phrase(words, [&](auto phrase) {
    add({.words = std::move(phrase), .word_class = WordClass::kLevel, .senses = level_senses});
  });
}

void ClaimLexicon::add_self_contained(Attribute attribute, std::string_view level, bool always,
                                      std::string_view words) {
  LevelSenses own{};
  own[static_cast<size_t>(attribute)] = level;
  for_each_phrase(words, [&](auto phrase) {
    add({.words = std::move(phrase),
         .word_class = WordClass::kLevel,
         .attribute = attribute,
         .senses = own,
         .self_contained = true,
         .always = always});
  });
}

ClaimLexicon::ClaimLexicon() {
  using enum Attribute;
  add_class(WordClass::kNegator,
            "not,no,never,neither,without,hardly,cannot,isn't,wasn't,aren't,weren't,doesn't,don't,didn't,can't,won't,"
            "rather than,instead of,lacks,lacking,absence of,nor,far from,anything but");
  add_class(WordClass::kPlain, "not only,no doubt,not just");  // not negations
  add_class(WordClass::kContrast, "but,while,whereas,although,though,however,yet,despite");
  add_class(WordClass::kAnd, "and,or,then,both,plus,before,followed by,and then,as well as,&,to,into");
  add_class(WordClass::kConclusion,
            "suggest,suggests,suggesting,suggested,indicate,indicates,indicating,indicated,convey,conveys,conveying,"
            "imply,implies,implying,express,expresses,expressing,reflect,reflects,reflecting,point to,points to,"
            "pointing to,signal,signals,signaling,consistent with,typical of,characteristic of,so,therefore,thus,hence,"
            "because,matches,fits,show,shows,showing,means,meaning,rules out");
  add_class(WordClass::kFunction,
            "is,are,was,were,be,been,being,seems,seem,appears,appear,sounds,sound,remains,remain,stays,stay,becomes,"
            "has,have,had,having,with,in,of,at,for,from,by,as,than,that,which,who,whose,when,where,if,since,on,the,a,"
            "an,this,that,these,those,his,her,their,its,it,he,she,they,i,we,you,there,also,too,either,during,after,"
            "toward,towards,until,can,could,may,might,would,will,do,does,did,goes,go,gets,moves,speaks,speak,spoke,"
            "spoken,delivered,kept,keeps,through,makes,make");
  add_class(WordClass::kTrailer,
            "level,levels,range,throughout,overall,here,indeed,enough,end,side,again,now,still,respectively,initially,"
            "paced");
  add_class(WordClass::kSpeechNoun,
            "words,word,utterance,utterances,speaker,speaking,talking,articulation,manner,way,sentence,phrases,"
            "phrase,syllables,clip,audio,recording,enunciation");

  add_noun(NounKind::kAttribute, kPitch,
           "pitch,f0,fundamental frequency,register,pitch level,vocal pitch,pitch range,pitch register");
  add_noun(NounKind::kAttribute, kEnergy,
           "energy,volume,loudness,amplitude,intensity,vocal energy,energy level,sound level,vocal intensity");
  add_noun(NounKind::kAttribute, kSpeed,
           "speed,rate,tempo,pace,pacing,speech rate,speaking rate,rate of speech,rate of speaking,speaking speed,"
           "speech tempo,speaking pace,speech speed,rate of delivery,speaking tempo");
  add_noun(NounKind::kAttribute, kIntonation,
           "intonation,contour,inflection,inflections,melody,pitch contour,pitch movement,pitch pattern,intonation "
           "contour,intonation pattern,pitch variation,pitch variations,melodic contour,pitch dynamics");
  add_noun(NounKind::kTone, kPitch, "tone,prosody");
  add_noun(NounKind::kSpeech, kSpeed, "speech,delivery,speaking style,cadence");
  add_noun(NounKind::kVoiceNoun, kVoice, "voice,voicing,phonation,voice quality");
  add_noun(NounKind::kOther, kPitch,
           "emotion,emotions,feeling,feelings,mood,label,answer,category,state,emotional energy,emotional intensity,"
           "nervous energy,positive energy,negative energy,inner energy,arousal,confidence,valence,heart rate,"
           "excitement,spirits,background noise,attention rate,emotional tone,emotional state,energy of emotion");

  add_level(senses("high", "high", "fast"),
            "high,higher,highest,elevated,raised,heightened,increased,above average,above normal,above the average,"
            "above the normal,upper");
  add_level(senses("", "high", ""), "strong,stronger,powerful,forceful,intense,full,great,large,boosted");
  add_level(senses("low", "low", "slow"),
            "low,lower,lowest,lowered,reduced,decreased,diminished,below average,below normal,below the average,"
            "below the normal,subdued");
  add_level(senses("low", "", ""), "deep,deeper");
  add_level(senses("", "low", ""), "weak,weaker,faint,gentle,small");
  add_level(senses("normal", "normal", "normal", "", "normal"), "normal,ordinary,regular");
  add_level(senses("normal", "normal", "normal"),
            "moderate,medium,average,neutral,mid,middle,typical,standard,mid range,midrange,balanced,usual,"
            "unremarkable,conversational,mid level");
  add_level(senses("", "", "slow"), "deliberate,relaxed,dragging");
  add_level(senses("", "", "fast"), "accelerated,urgent");
  add_level(senses("", "", "", "rising"),
            "rises,rise,rose,ascending,ascends,upward,upwards,climbs,climbing,goes up,going up,moves up,"
            "increasing,lifts,lifting,upturn,upturned");
  add_level(senses("", "", "", "falling"),
            "falls,fall,fell,descending,descends,downward,downwards,drops,dropping,declining,declines,"
            "goes down,going down,moves down,decreasing,sinks,sinking,lowering");
  add_level(senses("", "", "normal", "flat"), "steady,constant,stable");
  add_level(senses("", "", "", "flat"), "unchanging,unvarying,static,unvaried,minimal,little,limited,uninflected");
  add_level(senses("", "", "", "expressive"),
            "varied,varying,dynamic,lively,animated,fluctuating,undulating,wide,wide range,modulated,"
            "variable");

  add_self_contained(kPitch, "high", true, "high pitched,higher pitched,shrill,squeaky");
  add_self_contained(kPitch, "low", true, "low pitched,lower pitched,deep pitched,deep voiced");
  add_self_contained(kEnergy, "high", false, "loud,louder,energetic,booming");
  add_self_contained(kEnergy, "high", true,
                     "loudly,shouting,shouts,shouted,yelling,yells,yelled,screaming,screams,screamed,energetically");
  add_self_contained(kEnergy, "low", false, "quiet,quieter,soft,softer,hushed,muted");
  add_self_contained(kEnergy, "low", true, "quietly,softly,soft spoken,softly spoken,faintly,weakly");
  add_self_contained(kSpeed, "fast", false, "fast,faster,quick,quicker,rapid,swift,brisk,hurried,rushed,hasty,speedy");
  add_self_contained(kSpeed, "fast", true, "quickly,rapidly,swiftly,briskly,hurriedly,hastily,fast paced,rapid fire");
  add_self_contained(kSpeed, "slow", false, "slow,slower,sluggish,unhurried,leisurely,languid,drawn out");
  add_self_contained(kSpeed, "slow", true, "slowly,slow paced,sluggishly,languidly");
  add_self_contained(kIntonation, "rising", false, "rising");
  add_self_contained(kIntonation, "falling", false, "falling");
  add_self_contained(kIntonation, "flat", false, "flat");
  add_self_contained(kIntonation, "expressive", false, "expressive");
  add_self_contained(kIntonation, "flat", true, "monotone,monotonous,monotonously,monotonic");
  add_self_contained(kIntonation, "expressive", true, "sing song,singsong,melodic,melodious");
  add_self_contained(kIntonation, "rising-falling", true, "rising falling,rise fall,rises and falls,rise and fall");
  add_self_contained(kIntonation, "falling-rising", true,
                     "falling rising,fall rise,falls and rises,fall and rise,dipping");
  add_self_contained(kVoice, "whisper", true, "whisper,whispers,whispered,whispering,whispery");
  add_shared_vocabulary();
}

void ClaimLexicon::add_shared_vocabulary() {
  for (const Attribute attribute : kAttributes) {
    if (attribute == Attribute::kStress) continue;  // its levels are words of the transcript: claim_parser.cc
    for (const std::string_view noun : attribute_words(attribute)) {
      add_noun(NounKind::kAttribute, attribute, noun);
    }
    for (const LevelWord& word : level_words(attribute)) {
      if (word.names_attribute) {
        add_self_contained(attribute, word.level, true, word.word);
      } else {
        LevelSenses own{};
        own[static_cast<size_t>(attribute)] = word.level;
        add_level(own, word.word);
      }
    }
  }
}

}  // namespace prosodia
