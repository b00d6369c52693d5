// A speech corpus in one HDF5 file: audio, transcript, labels, controlled and measured prosody, speaker, split.
//
// Called by: data synth | import | annotate (write), build, inspect, AudioStore (read).
// Thread rule: CorpusWriter single thread. CorpusReader: const member functions from any thread; the HDF5 library is
// not thread-safe, so all calls into it share one process-wide lock (data/store/hdf5_file.h).
//
// Failure rule: a missing file, one that is not a corpus, or of another format version is kInvalidInput; one that HDF5
// cannot read, or whose checksums or bounds do not hold, kCorruption; a failing disk kStorage. Messages name the file.
//
// Durability: the writer fills a temporary file beside the target; finish() closes, fsyncs, renames and fsyncs the
// directory, so a corpus is there whole or not at all. Equal contents give equal files, to the byte.
//
// Layout (version 2; N utterances, S samples, W words in all; h5py and h5dump read it):
//   /                attributes format="prosodia-corpus", version, sample_rate_hz, metadata_crc32c, description
//   /audio           int16 [S], chunked: all clips one after the other
//   /offsets         uint64 [N+1]: clip i is audio[offsets[i], offsets[i+1])
//   /audio_crc32c    uint32 [N]: CRC-32C of each clip's bytes, checked by every read
//   /utterances/*    UTF-8 [N]: id, transcript, emotion, source_label, speaker, gender, age_group, language, source,
//                    split, extra
//   /controlled/*    UTF-8 [N], one column an attribute (levels.h): what the synthesis was told; "" = not controlled
//   /levels/*        UTF-8 [N], the same columns: measured and calibrated; "" = undetermined
//   /measured/*      float32 [N], NaN = undetermined: f0_mean_hz, f0_median_hz, f0_range_semitones, voiced_ratio,
//                    energy_dbfs, speech_seconds, syllables_per_second
//   /words/offsets   uint64 [N+1]: the words of utterance i are rows [offsets[i], offsets[i+1]); none: not known
//   /words/*         [W]: UTF-8 text; float32 start_seconds, end_seconds; uint8 stressed, is_estimated (0 or 1)
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/audio/clip.h"
#include "data/base/status.h"
#include "data/prosody/levels.h"
#include "data/prosody/measure.h"
#include "data/prosody/words.h"

namespace prosodia {

// One utterance without its audio. "" and an empty vector: not known.
struct UtteranceInfo {
  std::string id;  // unique in the corpus, without '#' and '/'
  std::string transcript;
  std::string emotion;       // in the vocabulary this corpus uses, mapped from source_label
  std::string source_label;  // the emotion as the release writes it: "calm", "Wut"
  std::string speaker;
  std::string gender;     // a level of Attribute::kGender
  std::string age_group;  // a level of Attribute::kAge
  std::string language;   // BCP-47 primary tag: "en", "de"
  std::string source;     // the corpus it is from: "ravdess", "synth"
  std::string split;      // "train", "validation" or "test"; never empty
  std::string extra;      // a JSON object: intensity, listener votes, original path …
  ProsodyLevels controlled;
  ProsodyLevels levels;     // measured, calibrated; `stress` holds the stressed words
  ProsodyMeasure measured;  // physical units; contour and problems are not stored
  std::vector<Word> words;  // by ascending start, within the clip (0.1 s of grace at its end)
};

struct Utterance {
  UtteranceInfo info;
  AudioClip audio;  // at the corpus' rate; stored as int16
};

class CorpusWriter {
 public:
  static Result<std::unique_ptr<CorpusWriter>> create(const std::filesystem::path& path, int sample_rate_hz,
                                                      std::string_view description);
  ~CorpusWriter();
  CorpusWriter(const CorpusWriter&) = delete;
  CorpusWriter& operator=(const CorpusWriter&) = delete;

  // Audio goes to disk now, the labels at finish(). An empty, repeated or '#'-bearing id, a label that breaks the rules
  // of UtteranceInfo, an empty clip or another rate than the corpus' is kInvalidInput. Samples beyond [-1, 1) are
  // clamped.
  Result<size_t> append(const Utterance& utterance);
  // Levels need the whole corpus for their calibration, so they may be set until finish(), which checks them again.
  std::vector<UtteranceInfo>& infos();
  // After an error the corpus is not there and the object is only good for destruction.
  Status finish();

 private:
  struct State;
  explicit CorpusWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class CorpusReader {
 public:
  static Result<std::unique_ptr<CorpusReader>> open(const std::filesystem::path& path);
  ~CorpusReader();
  CorpusReader(const CorpusReader&) = delete;
  CorpusReader& operator=(const CorpusReader&) = delete;

  size_t size() const;
  const std::filesystem::path& path() const;
  int sample_rate_hz() const;
  const std::string& description() const;
  const UtteranceInfo& info(size_t index) const;     // index < size()
  double seconds(size_t index) const;                // length of the clip
  uint32_t audio_crc32c(size_t index) const;         // of the clip's bytes, as stored: equal for equal clips
  Result<AudioClip> read_audio(size_t index) const;  // from disk, checksum verified
  Result<Utterance> read(size_t index) const;
  Result<size_t> find(std::string_view id) const;  // kInvalidInput naming file and id when absent

 private:
  struct State;
  explicit CorpusReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace prosodia
