#include "data/prosody/word_times.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "data/base/code_points.h"
#include "data/prosody/syllables.h"

namespace prosodia {
namespace {

// What a word's share of the time is made of, fitted to espeak-ng's word times in English and German.
constexpr double kLetterWeight = 0.5;     // of a syllable's: "stretched" takes longer than "a"
constexpr double kFunctionWord = 0.6;     // "the", "to", "es" are hurried over
constexpr double kFinalWord = 1.2;        // the last word is drawn out
constexpr double kSnapSyllables = 0.4;    // how far a border moves, in syllables
constexpr double kDistanceCostDb = 12.0;  // of moving that far: a dip must be so deep to be worth it

// Articles, pronouns, prepositions, conjunctions and auxiliaries of one syllable, lower case.
constexpr std::string_view kEnglishFunctionWords[] = {
    "a",   "am",   "an",   "and", "are", "as",   "at", "be",   "but",  "by",   "can",   "could", "did",
    "do",  "for",  "from", "had", "has", "have", "he", "her",  "him",  "his",  "i",     "if",    "in",
    "is",  "it",   "its",  "me",  "my",  "of",   "on", "or",   "our",  "she",  "so",    "than",  "that",
    "the", "them", "they", "to",  "us",  "was",  "we", "were", "will", "with", "would", "you",   "your"};
constexpr std::string_view kGermanFunctionWords[] = {
    "am",  "an",   "auf", "aus", "bei", "bin", "bis", "da",  "das", "dem", "den",  "der",  "des", "die", "du", "ein",
    "er",  "es",   "hat", "ich", "ihm", "ihn", "ihr", "im",  "in",  "ist", "man",  "mich", "mir", "mit", "so", "sich",
    "sie", "sind", "um",  "und", "uns", "vom", "von", "war", "was", "wir", "wird", "zu",   "zum", "zur"};

bool is_function_word(std::string_view word, std::string_view language) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c); });
  const auto among = [&](const auto& words) {
    return std::find(std::begin(words), std::end(words), lower) != std::end(words);
  };
  return language == "de" ? among(kGermanFunctionWords) : among(kEnglishFunctionWords);
}

// Expected time of a word that is not the last, in units of a syllable; nullopt without a rule for the language.
std::optional<double> word_weight(const std::string& word, std::string_view language) {
  const std::optional<int> syllables = count_syllables(word, language);
  if (!syllables) return std::nullopt;
  const size_t letters = count_code_points(word);
  const double weight = std::max(1, *syllables) + kLetterWeight * static_cast<double>(letters);
  return is_function_word(word, language) ? kFunctionWord * weight : weight;
}

// Bytes of UTF-8 beyond ASCII are letters, but for the general punctuation U+2000..U+206F (dashes, quotes) and the
// Latin-1 signs.
bool is_word_byte(std::string_view text, size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  return c >= 0x80 || std::isalnum(c) != 0;
}

size_t punctuation_bytes(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  if (byte(at) == 0xE2 && (byte(at + 1) == 0x80 || byte(at + 1) == 0x81)) return 3;
  if (byte(at) == 0xC2) return 2;
  return is_word_byte(text, at) ? 0 : 1;
}

std::string trim_punctuation(std::string_view token) {
  size_t begin = 0;
  while (begin < token.size()) {
    const size_t skip = punctuation_bytes(token, begin);
    if (skip == 0) break;
    begin += skip;
  }
  if (begin >= token.size()) return {};
  // The end of the last character that is none.
  size_t end = begin;
  for (size_t at = begin; at < token.size();) {
    const size_t skip = punctuation_bytes(token, at);
    at += std::max<size_t>(1, skip);
    if (skip == 0) end = at;
  }
  return std::string(token.substr(begin, end - begin));
}

// Mean level over three frames: a dip of one frame is a glottal period, not a border.
float level_around(const std::vector<float>& dbfs, size_t t) {
  const size_t begin = t > 0 ? t - 1 : 0, end = std::min(dbfs.size(), t + 2);
  float sum = 0;
  for (size_t i = begin; i < end; ++i) sum += dbfs[i];
  return sum / static_cast<float>(end - begin);
}

// The frame near `expected` with the lowest level plus cost of distance: within kSnapSyllables, in a pause within one
// syllable, because a pause is most likely a border.
size_t nearest_dip(const SpeechFrames& frames, double expected, double syllable_frames, size_t low, size_t high) {
  const double reach = kSnapSyllables * syllable_frames;
  const auto first = static_cast<size_t>(std::max(std::ceil(expected - syllable_frames), static_cast<double>(low)));
  const auto last = static_cast<size_t>(std::clamp(expected + syllable_frames, 0.0, static_cast<double>(high)));
  size_t best = std::clamp(static_cast<size_t>(std::lround(std::max(0.0, expected))), low, high);
  double best_cost = level_around(frames.dbfs, best);
  for (size_t t = first; t <= last; ++t) {
    const double distance = std::abs(static_cast<double>(t) - expected) / reach;
    if (distance > 1 && frames.speech[t]) continue;
    const double cost = level_around(frames.dbfs, t) + kDistanceCostDb * distance * distance;
    if (cost < best_cost) {
      best_cost = cost;
      best = t;
    }
  }
  return best;
}

}  // namespace

std::vector<std::string> split_words(std::string_view transcript) {
  static constexpr std::string_view kSpaces = " \t\n\r";
  std::vector<std::string> words;
  for (size_t at = 0; at < transcript.size();) {
    const size_t end = std::min(transcript.find_first_of(kSpaces, at), transcript.size());
    if (std::string word = trim_punctuation(transcript.substr(at, end - at)); !word.empty()) {
      words.push_back(std::move(word));
    }
    at = end + 1;
  }
  return words;
}

std::vector<Word> estimate_word_times(std::string_view transcript, std::string_view language,
                                      const SpeechFrames& frames) {
  const std::vector<std::string> texts = split_words(transcript);
  std::vector<double> weight_until{0.0};
  for (const std::string& text : texts) {
    const std::optional<double> weight = word_weight(text, language);
    if (!weight) return {};
    const bool is_last = weight_until.size() == texts.size();
    weight_until.push_back(weight_until.back() + (is_last ? kFinalWord : 1.0) * *weight);
  }
  std::vector<size_t> speech;  // the frames of speech, in order
  for (size_t t = 0; t < frames.speech.size(); ++t) {
    if (frames.speech[t]) speech.push_back(t);
  }
  if (texts.empty() || speech.size() < texts.size() + 1) return {};

  const double total = weight_until.back();
  const double per_syllable = static_cast<double>(speech.size()) / total * (1 + 3 * kLetterWeight);
  std::vector<size_t> borders{speech.front()};
  for (size_t w = 1; w < texts.size(); ++w) {
    const auto at = static_cast<size_t>(weight_until[w] / total * static_cast<double>(speech.size() - 1));
    // Behind the border before, and with a frame for each word to come.
    const size_t low = borders.back() + 1, high = std::max(low, speech.back() - (texts.size() - w));
    borders.push_back(nearest_dip(frames, static_cast<double>(speech[at]), per_syllable, low, high));
  }
  borders.push_back(speech.back() + 1);

  std::vector<Word> words(texts.size());
  for (size_t w = 0; w < words.size(); ++w) {
    const auto seconds = [](size_t frame) {
      return static_cast<float>(static_cast<double>(frame) * kSpeechHopSeconds);
    };
    words[w] = {texts[w], seconds(borders[w]), seconds(std::max(borders[w], borders[w + 1])), false, true};
  }
  return words;
}

}  // namespace prosodia
