// Small releases for the tests of data/importers: files in the exact syntax of the official ones, with short tones in
// place of speech.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/audio/clip.h"
#include "data/importers/import.h"
#include "tests/unit/corpus/support.h"

namespace prosodia::testing {

// A file and the folders above it.
inline void put_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  write_text(path, text);
}

inline AudioClip tone(double hz, double seconds = 0.3, int rate_hz = kSpeechRateHz) {
  AudioClip clip{{}, rate_hz};
  for (int i = 0; i < static_cast<int>(seconds * rate_hz); ++i) {
    clip.samples.push_back(0.3f * static_cast<float>(std::sin(6.28318530718 * hz * i / rate_hz)));
  }
  return clip;
}

inline void put_tone(const std::filesystem::path& path, double hz = 220, double seconds = 0.3,
                     int rate_hz = kSpeechRateHz) {
  std::filesystem::create_directories(path.parent_path());
  ASSERT_TRUE(write_wav(path, tone(hz, seconds, rate_hz)));
}

// A folder of the shared real speech; nothing when it is not there.
inline std::optional<std::filesystem::path> real_speech(const std::string& name) {
  const char* shared = std::getenv("PROSODIA_SHARED_DIR");
  if (shared == nullptr) return std::nullopt;
  const auto path = std::filesystem::path(shared) / "speech" / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}
#define SKIP_WITHOUT_SPEECH(variable, name)                                       \
  const auto variable##_found = real_speech(name);                                \
  if (!variable##_found) GTEST_SKIP() << "no " name " under PROSODIA_SHARED_DIR"; \
  const std::filesystem::path variable = *variable##_found

inline ImportReport import_ok(const ImportOptions& options) {
  const auto report = import_corpus(options);
  EXPECT_TRUE(report) << report.error().message;
  return report ? *report : ImportReport{};
}

inline std::unique_ptr<CorpusReader> open_ok(const std::filesystem::path& path) {
  auto corpus = CorpusReader::open(path);
  EXPECT_TRUE(corpus) << corpus.error().message;
  return corpus ? std::move(*corpus) : nullptr;
}

inline const UtteranceInfo& info_of(const CorpusReader& corpus, const std::string& id) {
  const auto index = corpus.find(id);
  EXPECT_TRUE(index) << index.error().message;
  static const UtteranceInfo kNone;
  return index ? corpus.info(*index) : kNone;
}

inline nlohmann::json extra_of(const UtteranceInfo& info) { return nlohmann::json::parse(info.extra); }

// The reason that the report gives for a file; "" when it is not among the bad ones.
inline std::string reason_for(const ImportReport& report, const std::string& file) {
  for (const ImportProblem& problem : report.problems) {
    if (problem.file == file) return problem.reason;
  }
  return "";
}

inline int count_of(const ImportReport& report, const std::string& label) {
  for (const ImportReport::Label& line : report.labels) {
    if (line.source == label) return line.utterances;
  }
  return 0;
}

}  // namespace prosodia::testing
