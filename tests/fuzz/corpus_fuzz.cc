// Speech corpora. An input that begins like an HDF5 file is opened as one; any other says how a good corpus is bent.
#include "data/corpus/corpus.h"
#include "tests/fuzz/hdf5_edit.h"

namespace prosodia::fuzz {
namespace {

std::filesystem::path good_corpus() {
  const auto path = scratch_dir() / "good-corpus.h5";
  const auto writer = CorpusWriter::create(path, kSpeechRateHz, "fuzz");
  PROSODIA_CHECK(writer.has_value());
  for (const char* id : {"u0", "u1", "u2"}) {
    Utterance utterance;
    utterance.info.id = id;
    utterance.info.transcript = "one two";
    utterance.info.split = "train";
    utterance.info.language = "en";
    utterance.info.extra = "{}";
    utterance.info.words = {{.text = "one", .end_seconds = 0.001f}, {.text = "two", .end_seconds = 0.001f}};
    utterance.info.levels.voice = "whisper";
    utterance.info.measured.f0_mean_hz = 120.0f;
    utterance.audio.samples.assign(20, 0.25f);
    PROSODIA_CHECK((*writer)->append(utterance).has_value());
  }
  PROSODIA_CHECK((*writer)->finish().has_value());
  return path;
}

}  // namespace

void fuzz_corpus(Input input) {
  static const Hdf5Template good(good_corpus());
  const auto path = is_hdf5(input) ? write_scratch("corpus.h5", input) : good.write_edited("corpus.h5", Choices(input));
  const auto reader = CorpusReader::open(path);
  if (!reader) return;
  if (input.empty()) PROSODIA_CHECK((*reader)->size() == 3);
  for (size_t i = 0; i < (*reader)->size() && i < 100; ++i) {
    PROSODIA_CHECK((*reader)->seconds(i) > 0);
    (void)(*reader)->read(i);
    (void)(*reader)->find((*reader)->info(i).id);
    for (const Word& word : (*reader)->info(i).words) PROSODIA_CHECK(word.end_seconds >= word.start_seconds);
  }
}

}  // namespace prosodia::fuzz
