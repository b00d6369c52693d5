// Corpora for the tests of data/builders, and the rows that a build writes from them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "data/builders/build.h"
#include "data/corpus/dataset.h"
#include "data/corpus/emotions.h"
#include "tests/unit/corpus/support.h"

namespace prosodia::testing {

// A corpus whose audio does not matter: all combinations of levels, measured as controlled but for the speed.
// Speakers of the two splits differ. `with_stress`: one word is stressed in three utterances of four.
inline void write_labelled_corpus(const std::filesystem::path& path, bool with_stress = false) {
  static constexpr const char* kSentences[] = {"they moved the old chair", "she took the first train",
                                               "the rain will stop soon", "\"We\", he said, need bread!"};
  static constexpr const char* kStressed[] = {"old", "took", "soon", "bread"};
  auto writer = CorpusWriter::create(path, kSpeechRateHz, "labels");
  ASSERT_TRUE(writer);
  int count = 0;
  for (std::string_view pitch : level_names(Attribute::kPitch)) {
    for (std::string_view intonation : level_names(Attribute::kIntonation)) {
      for (std::string_view speed : level_names(Attribute::kSpeed)) {
        Utterance utterance = make_utterance(count);
        UtteranceInfo& info = utterance.info;
        info.emotion = emotion_profiles()[static_cast<size_t>(count) % kEmotionCount].name;
        info.split = count % 5 == 0 ? "test" : "train";
        info.speaker = info.split + std::to_string(count % 3);
        info.gender = count % 2 == 0 ? "female" : "male";
        info.transcript = kSentences[count % 4];
        info.controlled = {.pitch = std::string(pitch),
                           .energy = "normal",
                           .speed = std::string(speed),
                           .intonation = std::string(intonation),
                           .voice = "normal"};
        if (count % 9 == 7) {
          info.controlled.pitch = info.controlled.intonation = "";
          info.controlled.voice = "whisper";
        }
        info.levels = info.controlled;
        info.levels.speed = count % 2 == 0 ? "fast" : "slow";  // unreliable
        if (with_stress && count % 4 != 3) info.levels.stress = kStressed[count % 4];
        ASSERT_TRUE((*writer)->append(utterance));
        ++count;
      }
    }
  }
  ASSERT_TRUE((*writer)->finish());
}

// A voiced clip with harmonics, `f0_hz` and `seconds` long.
inline AudioClip voiced_clip(double f0_hz, double seconds) {
  AudioClip clip;
  const auto count = static_cast<size_t>(seconds * kSpeechRateHz);
  for (size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / kSpeechRateHz, edge = std::min(t, seconds - t);
    double sample = 0;
    for (int h = 1; h <= 10; ++h) sample += std::sin(6.283185307 * h * f0_hz * t) / h;
    clip.samples.push_back(static_cast<float>(0.1 * std::min(1.0, edge / 0.03) * sample));
  }
  return clip;
}

// A build into a temporary folder.
class BuildTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ / "corpora");
    write_labelled_corpus(dir_ / "corpora/c.h5");
    options_.corpus = dir_ / "corpora/c.h5";
    options_.output_dir = dir_ / "sets";
    options_.prosody_rows = 400;
    options_.coldstart_rows = 300;
  }
  void use_stress() { write_labelled_corpus(options_.corpus, /*with_stress=*/true); }
  std::vector<Sample> rows(const std::string& name) {
    auto samples = read_dataset(options_.output_dir / name);
    EXPECT_TRUE(samples) << samples.error().message;
    return samples ? *samples : std::vector<Sample>{};
  }
  std::string text(const std::string& name) { return read_text(options_.output_dir / name); }
  void build() {
    const auto report = build_datasets(options_);
    ASSERT_TRUE(report) << report.error().message;
    report_ = *report;
  }
  TempDir dir_;
  BuildOptions options_;
  BuildReport report_;
};

}  // namespace prosodia::testing
