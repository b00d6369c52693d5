// JSONL: one row, and a whole file; a row as the grades of a reward model.
#include "data/corpus/dataset.h"
#include "data/corpus/rm_row.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

void fuzz_dataset(Input input) {
  if (const auto sample = parse_sample(as_text(input), "/data", "fuzz.jsonl", 1)) {
    PROSODIA_CHECK(!sample->messages.empty() && count_audio_tags(sample->messages) == sample->audios.size());
    for (const std::string& audio : sample->audios) PROSODIA_CHECK(audio.starts_with('/'), "{}", audio);
    // The coordinator sends the row as text; a worker must read the same.
    const auto again = parse_sample(sample->row.dump(), "/data", "again.jsonl", 1);
    PROSODIA_CHECK(again && again->audios == sample->audios && again->solution == sample->solution);
  }
  if (const auto scores = parse_rm_answer(as_text(input), "fuzz"))
    PROSODIA_CHECK(parse_rm_answer(rm_answer(*scores), "again") == *scores);
  if (const auto samples = read_dataset(write_scratch("fuzz.jsonl", input))) (void)dataset_texts(*samples);
}

}  // namespace prosodia::fuzz
