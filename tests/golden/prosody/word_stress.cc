// Word times and prominences for evaluate_stress.py: `word_stress < CASES > ANSWERS`, a JSON object a line. In:
// {"audio": FILE, "transcript", "language", "times": [seconds of the words' starts …, and the end]} (times null: to be
// estimated). Out: {"words": [[start, end, prominence, stressed], …]}.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/prosody/stress.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

Result<nlohmann::json> answer(const nlohmann::json& given) {
  PROSODIA_ASSIGN(const AudioClip clip, read_audio_file(given.at("audio").get<std::string>()));
  PROSODIA_ASSIGN(const ProsodyTracks tracks, track_prosody(clip));
  const auto transcript = given.at("transcript").get<std::string>();
  std::vector<Word> words = estimate_word_times(transcript, given.at("language").get<std::string>(), tracks.frames);
  if (const auto& times = given.at("times"); times.is_array()) {
    words.clear();
    for (const std::string& text : split_words(transcript)) {
      const size_t at = words.size();
      words.push_back({text, times.at(at).get<float>(), times.at(at + 1).get<float>()});
    }
  }
  mark_stress(words, tracks);
  const std::vector<float> prominences = word_prominences(words, tracks);
  nlohmann::json rows = nlohmann::json::array();
  for (size_t w = 0; w < words.size(); ++w) {
    rows.push_back(
        {words[w].start_seconds, words[w].end_seconds, prominences.empty() ? 0.0f : prominences[w], words[w].stressed});
  }
  return nlohmann::json{{"words", rows}};
}

}  // namespace
}  // namespace prosodia

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto row = prosodia::answer(nlohmann::json::parse(line));
    if (!row) {
      std::fprintf(stderr, "word_stress: %s\n", row.error().message.c_str());
      return prosodia::exit_code(row.error().code);
    }
    std::printf("%s\n", row->dump().c_str());
  }
  return 0;
}
