#include "data/corpus/speakers.h"

#include <fmt/format.h>

#include <cmath>

#include "data/base/philox.h"

namespace prosodia {
namespace {

constexpr uint64_t kSpeakerKey = 0x73706561'6b657273;  // fixed: speakers do not depend on a corpus' seed
constexpr int kTrainPerGender = 16, kTestPerGender = 4;

// Pitch levels are 7 semitones apart and the genders 3.6, so that no level of one gender sits on a level of the other:
// low 117/143, normal 175/215, high 262/322 Hz. All speakers are bright voices on purpose: the log-mel's 25 ms window
// resolves harmonics from about 160 Hz on, so a tiny encoder can hear where most contours go.
constexpr double kMaleF0Hz = 175, kFemaleF0Hz = 215, kLevelRatio = 1.5;

double uniform(PhiloxStream& stream, double low, double high) { return low + (high - low) * stream.next_unit(); }

SynthSpeaker make_speaker(int index, bool female) {
  static constexpr std::string_view kAccents[] = {"en-us", "en-us-nyc", "en-gb-x-rp", "en-us", "en-gb-scotland"};
  PhiloxStream stream(mix_seed(kSpeakerKey, static_cast<uint64_t>(2 * index + (female ? 1 : 0))));
  SynthSpeaker speaker;
  speaker.id = fmt::format("{}{:02}", female ? 'f' : 'm', index + 1);
  speaker.gender = female ? "female" : "male";
  speaker.accent = kAccents[stream.next_below(std::size(kAccents))];
  speaker.f0_hz = (female ? kFemaleF0Hz : kMaleF0Hz) * uniform(stream, 0.97, 1.03);
  speaker.f0_level_ratio = {1 / kLevelRatio, 1.0, kLevelRatio};
  const double tract = female ? uniform(stream, 1.10, 1.22) : uniform(stream, 0.90, 1.03);
  for (int& percent : speaker.formant_percent) {
    percent = static_cast<int>(std::lround(100 * tract * uniform(stream, 0.97, 1.03)));
  }
  return speaker;
}

std::vector<SynthSpeaker> make_speakers(int begin, int end) {
  std::vector<SynthSpeaker> speakers;
  for (int i = begin; i < end; ++i) {
    speakers.push_back(make_speaker(i, false));
    speakers.push_back(make_speaker(i, true));
  }
  return speakers;
}

std::string variant_head(const SynthSpeaker& speaker, double f0_hz) {
  // A range of 30 Hz on top of the base: flat speech at -p 50 then has 1.03 times the base.
  const double base = f0_hz / 1.03;
  return fmt::format("language variant\nname {}\ngender {}\npitch {:.0f} {:.0f}\n", speaker.id, speaker.gender, base,
                     base + 30);
}

constexpr std::string_view kTrainSentences[] = {
    "they moved the old chair",   "the bus leaves at ten",      "he put the cup down",
    "she took the first train",   "you left the book here",     "we walked down the road",
    "they came back at six",      "the rain will stop soon",    "we need some more bread",
    "the food stays down here",   "they want the small room",   "the dog runs out back",
    "he told us the time",        "we have two more days",      "they sent the box home",
    "he works near the barn",     "she reads the long page",    "i heard them last night",
    "the class starts at eight",  "you can take those stairs",  "they live down that lane",
    "he plays near the pond",     "she parked down the street", "we will leave them there",
    "my friend made this soup",   "they drove down that hill",  "he held up one hand",
    "we moved the long desk",     "they built the low wall",    "he read my last mail",
    "i need the white paint",     "we bought the cheap seats",  "she found the lost glove",
    "they clean the main hall",   "he sold the brown horse",    "i cut the red thread",
    "she drew the round line",    "he filled the tall jar",     "you moved the wood bench",
    "i turned the front wheel",   "she made the short call",    "they left the west gate",
    "the kids play down there",   "her phone rang last night",  "their boat leaves at dawn",
    "this road goes down south",  "our class meets at eight",   "the wind blows from there",
    "my keys were right here",    "the cat sat right there",    "she put the mail there",
    "they watched the home game", "you moved the low shelf",    "they took the west road",
    "the bell rings at noon",     "his house has two doors",    "we set the small stage",
    "they found the right key",   "he wore the dark shoes",     "i saw the first page",
    "we need the next form",      "she sent the last file"};

constexpr std::string_view kTestSentences[] = {
    "the team meets at five",  "he lent me that bike",    "i read that old news",     "they paint the fence green",
    "our ship left at dawn",   "we found the same path",  "he cut the front lawn",    "my soup was right here",
    "she packed the grey bag", "he locked the side door", "we heard the same song",   "you hold the long end",
    "i cleaned the long rug",  "her train goes at five",  "this pen writes too thin", "the band plays here now"};

}  // namespace

std::vector<SynthSpeaker> train_speakers() { return make_speakers(0, kTrainPerGender); }
std::vector<SynthSpeaker> test_speakers() { return make_speakers(kTrainPerGender, kTrainPerGender + kTestPerGender); }

std::string voiced_variant(const SynthSpeaker& speaker, double f0_hz) {
  std::string text = variant_head(speaker, f0_hz);
  for (size_t i = 0; i < speaker.formant_percent.size(); ++i) {
    text += fmt::format("formant {} {} 100 100\n", i, speaker.formant_percent[i]);
  }
  return text;
}

// espeak-ng's own whisper on this speaker's formants, without the voicing it leaves in.
std::string whisper_variant(const SynthSpeaker& speaker) {
  std::string text = variant_head(speaker, speaker.f0_hz);
  for (size_t i = 0; i < speaker.formant_percent.size(); ++i) {
    text += fmt::format("formant {} {} {} 120\n", i, speaker.formant_percent[i], i == 0 ? 0 : i == 1 ? 60 : 80);
  }
  return text + "voicing 0\nbreath 75 75 50 40 15 10\nbreathw 150 150 200 200 400 400\n";
}

std::span<const std::string_view> train_sentences() { return kTrainSentences; }
std::span<const std::string_view> test_sentences() { return kTestSentences; }

}  // namespace prosodia
