#include <cmath>
#include <unordered_map>

#include "data/base/check.h"
#include "data/base/crc32c.h"
#include "data/corpus/columns.h"
#include "data/corpus/corpus.h"
#include "data/corpus/utterance_check.h"
#include "data/corpus/word_columns.h"
#include "data/store/hdf5_file.h"

namespace prosodia {

struct CorpusReader::State {
  std::filesystem::path path;
  int sample_rate_hz = 0;
  std::string description;
  hdf5::Handle file, audio;
  std::vector<UtteranceInfo> infos;
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> audio_crc32c;
  std::unordered_map<std::string, size_t> index_of;

  double clip_seconds(size_t index) const {
    return static_cast<double>(offsets[index + 1] - offsets[index]) / sample_rate_hz;
  }
  Status load();
  Status load_header();
  Status load_labels(uint64_t count);
};

CorpusReader::CorpusReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CorpusReader::~CorpusReader() {
  const auto guard = hdf5::lock();
  state_->audio.close();
  state_->file.close();
}

Status CorpusReader::State::load_header() {
  const auto format = hdf5::read_string_attribute(file, "format");
  if (!format || *format != kCorpusFormat) {
    return fail(ErrorCode::kInvalidInput, "an HDF5 file, but not a corpus made by `prosodia data synth|import`");
  }
  PROSODIA_ASSIGN(const uint64_t version, hdf5::read_integer_attribute(file, "version"));
  if (version != kCorpusVersion) {
    return fail(
        ErrorCode::kInvalidInput,
        "corpus format version {}; this program reads version {}. Make the corpus again with the same `prosodia "
        "data synth` or `data import` command",
        version, kCorpusVersion);
  }
  PROSODIA_ASSIGN(const uint64_t rate, hdf5::read_integer_attribute(file, "sample_rate_hz"));
  if (rate == 0 || rate > 1'000'000) return fail(ErrorCode::kCorruption, "sample_rate_hz is {}", rate);
  sample_rate_hz = static_cast<int>(rate);
  PROSODIA_ASSIGN(description, hdf5::read_string_attribute(file, "description"));
  return {};
}

Status CorpusReader::State::load_labels(uint64_t count) {
  infos.resize(count);
  for (const StringColumn& column : string_columns()) {
    PROSODIA_ASSIGN(std::vector<std::string> values, hdf5::read_strings(file, column.name, count));
    for (size_t i = 0; i < count; ++i) column.field(infos[i]) = std::move(values[i]);
  }
  for (const FloatColumn& column : float_columns()) {
    PROSODIA_ASSIGN(const std::vector<float> values, hdf5::read_column<float>(file, column.name, count));
    for (size_t i = 0; i < count; ++i) {
      if (!std::isnan(values[i])) infos[i].measured.*column.field = values[i];
    }
  }
  PROSODIA_TRY(read_words(file, infos));
  for (UtteranceInfo& info : infos) {  // derived, not stored twice
    info.measured.intonation = info.levels.intonation;
    info.measured.is_whisper = info.levels.voice == "whisper";
  }
  return {};
}

Status CorpusReader::State::load() {
  PROSODIA_TRY(load_header());
  PROSODIA_ASSIGN(audio, hdf5::open_dataset(file, "audio"));
  PROSODIA_ASSIGN(const uint64_t samples, hdf5::length(audio));
  PROSODIA_TRY(hdf5::check_stored(audio, samples, sizeof(int16_t)));
  PROSODIA_ASSIGN(const hdf5::Handle crcs, hdf5::open_dataset(file, "audio_crc32c"));
  PROSODIA_ASSIGN(const uint64_t count, hdf5::length(crcs));
  if (count > samples) return fail(ErrorCode::kCorruption, "{} clips in {} samples", count, samples);
  PROSODIA_ASSIGN(audio_crc32c, hdf5::read_column<uint32_t>(file, "audio_crc32c", count));
  PROSODIA_ASSIGN(offsets, hdf5::read_column<uint64_t>(file, "offsets", count + 1));
  for (size_t i = 0; i < count; ++i) {
    if (offsets[i] >= offsets[i + 1]) return fail(ErrorCode::kCorruption, "/offsets do not ascend at row {}", i);
  }
  if (offsets.front() != 0 || offsets.back() != samples) {
    return fail(ErrorCode::kCorruption, "/offsets end at {}, /audio has {} samples", offsets.back(), samples);
  }
  PROSODIA_TRY(load_labels(count));
  PROSODIA_ASSIGN(const uint64_t stored, hdf5::read_integer_attribute(file, "metadata_crc32c"));
  if (stored != metadata_crc32c(infos, offsets, audio_crc32c)) {
    return fail(ErrorCode::kCorruption, "the labels do not match their checksum");
  }
  for (size_t i = 0; i < count; ++i) {
    if (const Status valid = check_utterance(infos[i], clip_seconds(i)); !valid) {
      return fail(ErrorCode::kCorruption, "utterance {} (\"{}\"): {}", i, infos[i].id, valid.error().message);
    }
    index_of.emplace(infos[i].id, i);
  }
  return {};
}

Result<std::unique_ptr<CorpusReader>> CorpusReader::open(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::kInvalidInput, "{}: no such corpus file; make one with `prosodia data synth --out {}`",
                path.string(), path.string());
  }
  std::unique_ptr<CorpusReader> reader(new CorpusReader(std::make_unique<State>()));
  State& s = *reader->state_;
  s.path = path;
  const auto load = [&]() -> Status {
    const auto guard = hdf5::lock();
    PROSODIA_ASSIGN(s.file, hdf5::open_file(path.string()));
    return s.load();
  };
  if (const Status status = load(); !status) return wrap(status.error(), path.string());
  return reader;
}

size_t CorpusReader::size() const { return state_->infos.size(); }
const std::filesystem::path& CorpusReader::path() const { return state_->path; }
int CorpusReader::sample_rate_hz() const { return state_->sample_rate_hz; }
const std::string& CorpusReader::description() const { return state_->description; }

const UtteranceInfo& CorpusReader::info(size_t index) const {
  PROSODIA_CHECK(index < size(), "utterance {} of {}", index, size());
  return state_->infos[index];
}

uint32_t CorpusReader::audio_crc32c(size_t index) const { return state_->audio_crc32c.at(index); }
double CorpusReader::seconds(size_t index) const {
  PROSODIA_CHECK(index < size(), "utterance {} of {}", index, size());
  return state_->clip_seconds(index);
}

Result<AudioClip> CorpusReader::read_audio(size_t index) const {
  PROSODIA_CHECK(index < size(), "utterance {} of {}", index, size());
  const State& s = *state_;
  std::vector<int16_t> pcm(s.offsets[index + 1] - s.offsets[index]);
  {
    const auto guard = hdf5::lock();
    const Status status =
        hdf5::read_raw(s.audio, hdf5::NativeType<int16_t>::id(), s.offsets[index], pcm.size(), pcm.data());
    if (!status) return wrap(status.error(), fmt::format("{}#{}", s.path.string(), s.infos[index].id));
  }
  if (crc32c(std::as_bytes(std::span(pcm))) != s.audio_crc32c[index]) {
    return fail(ErrorCode::kCorruption,
                "{}#{}: the audio does not match its checksum; restore the file or make it again", s.path.string(),
                s.infos[index].id);
  }
  AudioClip clip;
  clip.sample_rate_hz = s.sample_rate_hz;
  clip.samples.resize(pcm.size());
  for (size_t i = 0; i < pcm.size(); ++i) clip.samples[i] = static_cast<float>(pcm[i]) / 32768.0f;
  return clip;
}

Result<Utterance> CorpusReader::read(size_t index) const {
  PROSODIA_ASSIGN(AudioClip clip, read_audio(index));
  return Utterance{info(index), std::move(clip)};
}

Result<size_t> CorpusReader::find(std::string_view id) const {
  const auto it = state_->index_of.find(std::string(id));
  if (it == state_->index_of.end()) {
    return fail(ErrorCode::kInvalidInput, "{}: no utterance \"{}\" among {}", state_->path.string(), id, size());
  }
  return it->second;
}

}  // namespace prosodia
