// Small corpora and temporary folders for the tests of data/corpus.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "data/corpus/corpus.h"

namespace prosodia::testing {

// A fresh folder, removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prosodia-corpus-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Utterance make_utterance(int index, size_t samples = 800) {
  Utterance utterance;
  UtteranceInfo& info = utterance.info;
  info.id = "u" + std::to_string(index);
  info.transcript = "sentence nüm­ber " + std::to_string(index % 4 + (index % 3 == 0 ? 100 : 0));
  info.emotion = index % 2 == 0 ? "happy" : "contempt or disgust";
  info.speaker = index % 3 == 0 ? "t1" : "s" + std::to_string(index % 2);
  info.source_label = index % 2 == 0 ? "calm" : "Wut";
  info.gender = "female";
  info.age_group = index % 2 == 0 ? "middle-aged" : "";
  info.language = "en";
  info.source = "made";
  info.extra = index % 2 == 0 ? R"({"intensity":"strong"})" : "";
  const float step = 0.01f;
  for (int w = 0; w < index % 3; ++w) {  // none, one or two words
    const float start = step * static_cast<float>(w);
    info.words.push_back({w == 0 ? "nüm­ber" : "two", start, start + step, w == 1, index % 2 == 0});
  }
  info.split = index % 3 == 0 ? "test" : "train";
  info.controlled.pitch = index % 2 == 0 ? "high" : "low";
  info.levels.pitch = index == 4 ? "normal" : info.controlled.pitch;
  info.levels.energy = "normal";
  info.levels.voice = "normal";
  info.measured.f0_mean_hz = 100.0f + static_cast<float>(index);
  info.measured.energy_dbfs = -20.5f;
  utterance.audio.samples.resize(samples + static_cast<size_t>(index));
  for (size_t i = 0; i < utterance.audio.samples.size(); ++i) {
    utterance.audio.samples[i] =
        static_cast<float>(std::lround(8000 * std::sin(0.05 * static_cast<double>(i) * (index + 1)))) / 32768.0f;
  }
  return utterance;
}

inline void write_corpus(const std::filesystem::path& path, int count, size_t samples = 800) {
  auto writer = CorpusWriter::create(path, kSpeechRateHz, "for a test");
  ASSERT_TRUE(writer) << writer.error().message;
  for (int i = 0; i < count; ++i) {
    const auto index = (*writer)->append(make_utterance(i, samples));
    ASSERT_TRUE(index) << index.error().message;
    ASSERT_EQ(*index, static_cast<size_t>(i));
  }
  const Status status = (*writer)->finish();
  ASSERT_TRUE(status) << status.error().message;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace prosodia::testing
