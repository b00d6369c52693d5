// Word times: TextGrid, JSON and CTM of aligners, and transcripts spread over speech. The first byte chooses.
#include "data/corpus/word_sidecar.h"
#include "data/prosody/syllables.h"
#include "data/prosody/word_times.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

void estimate(std::string_view transcript) {
  SpeechFrames frames;  // 40 frames: speech, a pause of five, speech
  for (int t = 0; t < 40; ++t) {
    frames.speech.push_back(t < 20 || t >= 25);
    frames.dbfs.push_back(static_cast<float>(-20 - t * 7 % 11));
  }
  frames.active = frames.speech;
  for (const char* language : {"en", "de"}) {
    const int syllables = *count_syllables(transcript, language);
    PROSODIA_CHECK(syllables >= 0);
    float last = 0;
    for (const Word& word : estimate_word_times(transcript, language, frames)) {
      PROSODIA_CHECK(!word.text.empty() && word.start_seconds >= last && word.end_seconds >= word.start_seconds);
      PROSODIA_CHECK(word.end_seconds <= 0.401f, "word ends at {}", word.end_seconds);
      last = word.start_seconds;
    }
  }
}

}  // namespace

void fuzz_word_times(Input input) {
  if (input.empty()) return;
  const std::string_view text = as_text(input.subspan(1));
  switch (static_cast<uint8_t>(input[0]) % 4) {
    case 0:
      (void)parse_textgrid(text, "fuzz");
      break;
    case 1:
      (void)parse_word_json(text, "fuzz");
      break;
    case 2:
      (void)parse_ctm(text, "fuzz");
      break;
    default:
      estimate(text);
  }
}

}  // namespace prosodia::fuzz
