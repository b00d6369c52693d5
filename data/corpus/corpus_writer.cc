#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "data/base/check.h"
#include "data/base/crc32c.h"
#include "data/corpus/columns.h"
#include "data/corpus/corpus.h"
#include "data/corpus/utterance_check.h"
#include "data/corpus/word_columns.h"
#include "data/store/fs.h"
#include "data/store/hdf5_file.h"

namespace prosodia {
namespace {

constexpr uint64_t kAudioChunkSamples = 1 << 16;  // 128 KiB

}  // namespace

struct CorpusWriter::State {
  std::filesystem::path path, temporary;
  int sample_rate_hz = 0;
  hdf5::Handle file, audio;
  std::vector<UtteranceInfo> infos;
  std::vector<uint64_t> offsets{0};
  std::vector<uint32_t> audio_crc32c;
  std::unordered_set<std::string> ids;

  Status check_labels() const;
  Status write_labels();
};

CorpusWriter::CorpusWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

CorpusWriter::~CorpusWriter() {
  const auto guard = hdf5::lock();
  state_->audio.close();
  if (!state_->file) return;
  state_->file.close();
  (void)posix_file_system().remove(state_->temporary);  // nobody to tell
}

Result<std::unique_ptr<CorpusWriter>> CorpusWriter::create(const std::filesystem::path& path, int sample_rate_hz,
                                                           std::string_view description) {
  if (sample_rate_hz <= 0)
    return fail(ErrorCode::kUsage, "sampling rate {} Hz; expected a positive one", sample_rate_hz);
  auto state = std::make_unique<State>();
  state->path = path;
  state->temporary = path;
  state->temporary += fmt::format(".tmp-{}", ::getpid());
  state->sample_rate_hz = sample_rate_hz;
  // From here on the destructor removes the temporary file.
  std::unique_ptr<CorpusWriter> writer(new CorpusWriter(std::move(state)));
  State& s = *writer->state_;
  const auto guard = hdf5::lock();
  PROSODIA_ASSIGN(s.file, hdf5::create_file(s.temporary.string()));
  const auto prepare = [&]() -> Status {
    PROSODIA_TRY(hdf5::write_attribute(s.file, "format", kCorpusFormat));
    PROSODIA_TRY(hdf5::write_attribute(s.file, "version", kCorpusVersion));
    PROSODIA_TRY(hdf5::write_attribute(s.file, "sample_rate_hz", static_cast<uint64_t>(sample_rate_hz)));
    PROSODIA_TRY(hdf5::write_attribute(s.file, "description", description));
    PROSODIA_ASSIGN(s.audio,
                    hdf5::create_growing(s.file, "audio", hdf5::NativeType<int16_t>::file_id(), kAudioChunkSamples));
    return {};
  };
  if (const Status status = prepare(); !status) return wrap(status.error(), s.path.string());
  return writer;
}

std::vector<UtteranceInfo>& CorpusWriter::infos() { return state_->infos; }

Result<size_t> CorpusWriter::append(const Utterance& utterance) {
  State& s = *state_;
  const std::string& id = utterance.info.id;
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidInput, "{}: utterance \"{}\": {}", s.path.string(), id, why);
  };
  // A reference "C.h5#id" is cut at the last '#' after the last '/'.
  if (id.empty() || id.find_first_of("#/") != std::string::npos) {
    return refuse("an id must be non-empty and without '#' and '/'");
  }
  if (utterance.audio.samples.empty()) return refuse("the clip is empty");
  if (utterance.audio.sample_rate_hz != s.sample_rate_hz) {
    return refuse(
        fmt::format("the clip has {} Hz, the corpus {} Hz", utterance.audio.sample_rate_hz, s.sample_rate_hz));
  }
  const auto& samples = utterance.audio.samples;
  if (!std::all_of(samples.begin(), samples.end(), [](float v) { return std::isfinite(v); })) {
    return refuse("the clip holds NaN or infinity");
  }
  if (const Status valid = check_utterance(utterance.info, utterance.audio.seconds()); !valid) {
    return refuse(valid.error().message);
  }
  if (!s.ids.insert(id).second) return refuse("this id was written before");
  const std::vector<int16_t> pcm = to_pcm16(samples);
  {
    const auto guard = hdf5::lock();
    const Status written =
        hdf5::append_raw(s.audio, hdf5::NativeType<int16_t>::id(), s.offsets.back(), pcm.size(), pcm.data());
    if (!written) return wrap(written.error(), s.path.string());
  }
  s.offsets.push_back(s.offsets.back() + pcm.size());
  s.audio_crc32c.push_back(crc32c(std::as_bytes(std::span(pcm))));
  s.infos.push_back(utterance.info);
  return s.infos.size() - 1;
}

// infos() lets the caller change what append() saw.
Status CorpusWriter::State::check_labels() const {
  PROSODIA_CHECK(infos.size() + 1 == offsets.size(), "{} infos of {} clips", infos.size(), offsets.size() - 1);
  for (size_t i = 0; i < infos.size(); ++i) {
    const double seconds = static_cast<double>(offsets[i + 1] - offsets[i]) / sample_rate_hz;
    if (const Status valid = check_utterance(infos[i], seconds); !valid) {
      return wrap(valid.error(), fmt::format("utterance \"{}\"", infos[i].id));
    }
  }
  return {};
}

Status CorpusWriter::State::write_labels() {
  PROSODIA_TRY(check_labels());
  for (const char* group : {"utterances", "controlled", "levels", "measured"}) {
    PROSODIA_TRY(hdf5::make_group(file, group));
  }
  for (const StringColumn& column : string_columns()) {
    std::vector<std::string_view> values;
    for (UtteranceInfo& info : infos) values.push_back(column.field(info));
    PROSODIA_TRY(hdf5::write_strings(file, column.name, values));
  }
  for (const FloatColumn& column : float_columns()) {
    std::vector<float> values;
    for (const UtteranceInfo& info : infos) {
      values.push_back((info.measured.*column.field).value_or(std::numeric_limits<float>::quiet_NaN()));
    }
    PROSODIA_TRY(hdf5::write_column<float>(file, column.name, values));
  }
  PROSODIA_TRY(write_words(file, infos));
  PROSODIA_TRY(hdf5::write_column<uint64_t>(file, "offsets", offsets));
  PROSODIA_TRY(hdf5::write_column<uint32_t>(file, "audio_crc32c", audio_crc32c));
  return hdf5::write_attribute(file, "metadata_crc32c", metadata_crc32c(infos, offsets, audio_crc32c));
}

Status CorpusWriter::finish() {
  State& s = *state_;
  const auto guard = hdf5::lock();
  if (const Status labels = s.write_labels(); !labels) return wrap(labels.error(), s.path.string());
  const bool closed = s.audio.close() && s.file.close();
  FileSystem& fs = posix_file_system();
  const auto commit = [&]() -> Status {
    if (!closed) return fail(ErrorCode::kStorage, "cannot close {}: {}", s.temporary.string(), hdf5::last_error());
    PROSODIA_TRY(fs.sync_file(s.temporary));
    PROSODIA_TRY(fs.rename(s.temporary, s.path));
    return fs.sync_dir(s.path.has_parent_path() ? s.path.parent_path() : std::filesystem::path("."));
  };
  Status status = commit();
  if (!status) (void)fs.remove(s.temporary);  // the first error is the one to report
  return status;
}

}  // namespace prosodia
