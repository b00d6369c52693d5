// The F0 tracks of real speech against librosa.pyin and Praat. Stored values: generate.py; compare_pitch.py prints the
// same numbers for whole corpora.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/prosody/measure.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

fs::path directory(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : ".";
}

// Frame i of all tracks is centred on i * 10 ms.
struct Agreement {
  int frames = 0, same_voicing = 0, both_voiced = 0, gross = 0;
  std::vector<double> cents;  // of the frames voiced in both that are not gross

  void add(const std::vector<float>& ours, const std::vector<float>& theirs) {
    for (size_t t = 0; t < std::min(ours.size(), theirs.size()); ++t) {
      ++frames;
      same_voicing += (ours[t] > 0) == (theirs[t] > 0);
      if (ours[t] <= 0 || theirs[t] <= 0) continue;
      ++both_voiced;
      const double ratio = ours[t] / theirs[t];
      if (std::abs(ratio - 1) > 0.2) {
        ++gross;
      } else {
        cents.push_back(std::abs(1200 * std::log2(ratio)));
      }
    }
  }
  double gross_error() const { return static_cast<double>(gross) / both_voiced; }
  double voicing() const { return static_cast<double>(same_voicing) / frames; }
  double median_cents() {
    std::sort(cents.begin(), cents.end());
    return cents.at(cents.size() / 2);
  }
};

TEST(PitchGolden, AgreesWithPraatAndPyin) {
  std::ifstream stream(directory("PROSODIA_SOURCE_DIR") / "tests/golden/prosody/pitch.json");
  const nlohmann::json golden = nlohmann::json::parse(stream);
  Agreement praat, pyin, between;
  for (const auto& [name, tracks] : golden.items()) {
    const fs::path path = directory("PROSODIA_SHARED_DIR") / "speech" / name;
    if (!fs::exists(path)) GTEST_SKIP() << path << " is absent: no real speech to track";
    const auto clip = read_audio_file(path);
    ASSERT_TRUE(clip) << clip.error().message;
    const auto ours = track_prosody(*clip);
    ASSERT_TRUE(ours) << ours.error().message;
    const auto track = [&](const char* key) { return tracks.at(key).get<std::vector<float>>(); };
    ASSERT_EQ(ours->f0_hz.size(), track("praat").size()) << name;
    praat.add(ours->f0_hz, track("praat"));
    pyin.add(ours->f0_hz, track("pyin"));
    between.add(track("pyin"), track("praat"));
  }
  for (auto& [name, agreement] : {std::pair("Praat", &praat), {"pyin", &pyin}, {"pyin/Praat", &between}}) {
    std::printf("%-10s gross %.4f, median %.1f cents, voicing %.3f\n", name, agreement->gross_error(),
                agreement->median_cents(), agreement->voicing());
  }
  for (Agreement* agreement : {&praat, &pyin}) {
    EXPECT_GT(agreement->both_voiced, 800);
    EXPECT_LE(agreement->gross_error(), 0.05);
    EXPECT_LE(agreement->median_cents(), 20.0);
  }
  EXPECT_GE(praat.voicing(), 0.90);
  // The references themselves agree in 0.82 of these frames: pyin calls quiet hum between words voiced.
  EXPECT_GE(pyin.voicing(), std::min(0.90, between.voicing() - 0.01));
}

}  // namespace
}  // namespace prosodia
