#include "data/corpus/emotions.h"

#include <algorithm>

namespace prosodia {
namespace {

// clang-format off
//                                pitch              energy             speed             intonation                                      whisper
//                                low  normal high   low  normal high   slow normal fast  rising falling r-f  f-r  flat expressive
constexpr std::array<EmotionProfile, kEmotionCount> kProfiles = {{
    {"neutral",             {.05, .90, .05}, {.05, .90, .05}, {.05, .90, .05}, {.02, .52, .02, .02, .40, .02}, 0},
    {"happy",               {.02, .23, .75}, {.02, .38, .60}, {.02, .38, .60}, {.04, .02, .34, .02, .02, .56}, 0},
    {"sad",                 {.78, .20, .02}, {.78, .20, .02}, {.80, .18, .02}, {.02, .62, .02, .04, .28, .02}, .05},
    {"angry",               {.10, .40, .50}, {.02, .08, .90}, {.03, .32, .65}, {.02, .70, .12, .02, .12, .02}, 0},
    {"contempt or disgust", {.68, .30, .02}, {.08, .78, .14}, {.60, .38, .02}, {.02, .06, .36, .52, .02, .02}, 0},
    {"confused",            {.04, .60, .36}, {.26, .70, .04}, {.46, .50, .04}, {.62, .02, .02, .30, .02, .02}, 0},
    {"whisper",             {.34, .33, .33}, {.76, .22, .02}, {.32, .52, .16}, {.17, .17, .17, .17, .16, .16}, 1},
    {"surprise",            {.02, .12, .86}, {.02, .32, .66}, {.04, .56, .40}, {.60, .02, .26, .02, .02, .08}, 0},
    {"fear",                {.02, .20, .78}, {.62, .35, .03}, {.02, .16, .82}, {.20, .10, .03, .05, .50, .12}, .08},
}};
// clang-format on

}  // namespace

std::span<const EmotionProfile, kEmotionCount> emotion_profiles() { return kProfiles; }

std::optional<size_t> emotion_index(std::string_view name) {
  for (size_t i = 0; i < kProfiles.size(); ++i) {
    if (kProfiles[i].name == name) return i;
  }
  return std::nullopt;
}

double bayes_accuracy() {
  double correct = 0;
  for (size_t energy = 0; energy < 3; ++energy) {
    for (size_t speed = 0; speed < 3; ++speed) {
      const auto heard = [&](const EmotionProfile& e) { return e.energy[energy] * e.speed[speed]; };
      double whispered = 0;
      for (const EmotionProfile& e : kProfiles) whispered = std::max(whispered, heard(e) * e.whisper);
      correct += whispered;
      for (size_t pitch = 0; pitch < 3; ++pitch) {
        for (size_t intonation = 0; intonation < 6; ++intonation) {
          double best = 0;
          for (const EmotionProfile& e : kProfiles) {
            best = std::max(best, heard(e) * (1 - e.whisper) * e.pitch[pitch] * e.intonation[intonation]);
          }
          correct += best;
        }
      }
    }
  }
  return correct / static_cast<double>(kEmotionCount);
}

}  // namespace prosodia
