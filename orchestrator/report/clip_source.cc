#include "orchestrator/report/clip_source.h"

#include <fmt/format.h>

#include <set>

#include "data/base/markup.h"
#include "data/card/sample_figure.h"
#include "data/prosody/calibration.h"
#include "data/prosody/measure.h"
#include "orchestrator/report/spread.h"

namespace prosodia {

const UtteranceInfo* ClipSource::info(const std::string& audio) {
  const size_t hash = audio.rfind('#');
  if (hash == std::string::npos) return nullptr;
  const std::string path = audio.substr(0, hash);
  auto found = corpora_.find(path);
  if (found == corpora_.end()) {
    auto opened = CorpusReader::open(path);
    found = corpora_.emplace(path, opened ? std::move(*opened) : nullptr).first;
  }
  if (found->second == nullptr) return nullptr;
  const auto index = found->second->find(audio.substr(hash + 1));
  return index ? &found->second->info(*index) : nullptr;
}

void ClipSource::complete_levels(std::vector<ShownGroup>& groups, std::vector<std::string>& notes) {
  std::vector<ShownGroup*> unknown;
  for (ShownGroup& group : groups) {
    const bool wants_levels = group.level_source == LevelSource::kNone;
    if (group.audio.empty() || (!wants_levels && !group.transcript.empty())) continue;
    const UtteranceInfo* known = info(group.audio);
    if (known != nullptr && group.transcript.empty()) group.transcript = known->transcript;
    if (!wants_levels) continue;
    if (known != nullptr && known->levels != ProsodyLevels()) {
      group.levels = known->levels;
      group.level_source = LevelSource::kCorpus;
    } else {
      unknown.push_back(&group);
    }
  }
  if (!unknown.empty()) measure(unknown, notes);
}

void ClipSource::measure(std::vector<ShownGroup*>& groups, std::vector<std::string>& notes) {
  std::map<std::string, ProsodyMeasure> measured;
  std::set<std::string> unreadable;
  for (const ShownGroup* group : groups) {
    if (measured.contains(group->audio) || unreadable.contains(group->audio)) continue;
    const auto clip = store_.load(group->audio);
    const auto transcript =
        group->transcript.empty() ? std::nullopt : std::optional<std::string_view>(group->transcript);
    auto measure = clip ? measure_prosody(**clip, transcript) : Result<ProsodyMeasure>(tl::unexpected(clip.error()));
    if (measure) {
      measured.emplace(group->audio, std::move(*measure));
    } else {
      if (unreadable.empty()) notes.push_back("Prosody could not be measured: " + measure.error().message);
      unreadable.insert(group->audio);
    }
  }
  if (measured.empty()) return;
  std::vector<const ProsodyMeasure*> all;
  for (const auto& [audio, measure] : measured) all.push_back(&measure);
  const Calibration calibration = calibrate(all, {.scope = CalibrationScope::kCorpus});
  for (ShownGroup* group : groups) {
    const auto found = measured.find(group->audio);
    if (found == measured.end()) continue;
    group->levels = to_levels(found->second, calibration);
    group->level_source = LevelSource::kSignal;
  }
  notes.push_back(fmt::format("The rows name no prosody: levels were measured from {} clips for this page{}.",
                              all.size(),
                              calibration.pitch_hz.valid ? ", low and high being the outer thirds of these clips"
                                                         : "; too few to call a pitch or an energy high or low"));
}

Result<ShownClip> ClipSource::clip(const std::string& audio) {
  PROSODIA_ASSIGN(const auto loaded, store_.load(audio));
  AudioClip clip = *loaded;
  const double seconds = clip.seconds();
  if (seconds > kMaxShownSeconds) clip.samples.resize(static_cast<size_t>(kMaxShownSeconds * clip.sample_rate_hz));
  PROSODIA_ASSIGN(const ProsodyTracks tracks, track_prosody(clip));
  const UtteranceInfo* known = info(audio);
  std::string markup = waveform_svg(clip, tracks.f0_hz, tracks.frames.dbfs, known ? known->words : std::vector<Word>());
  markup += fmt::format(R"(<audio controls preload="metadata" src="{}" aria-label="{}"></audio>)", wav_data_uri(clip),
                        escape_markup(audio.substr(audio.find_last_of("/#") + 1)));
  if (seconds > kMaxShownSeconds)
    markup += fmt::format("<p>The first {:.0f} of {:.0f} s.</p>", kMaxShownSeconds, seconds);
  return ShownClip{audio, std::move(markup)};
}

std::vector<ShownClip> ClipSource::clips(const std::vector<ShownGroup>& groups, size_t most,
                                         std::vector<std::string>& notes) {
  std::vector<ShownClip> clips;
  std::set<std::string> seen;
  size_t failed = 0;
  std::string first_failure;
  for (const size_t index : spreading_order(groups.size())) {
    if (clips.size() >= most) break;
    const std::string& audio = groups[index].audio;
    if (audio.empty() || !seen.insert(audio).second) continue;
    if (auto made = clip(audio)) {
      clips.push_back(std::move(*made));
    } else {
      if (failed++ == 0) first_failure = made.error().message;
    }
  }
  if (failed > 0) notes.push_back(fmt::format("{} clips could not be read, the first: {}", failed, first_failure));
  return clips;
}

}  // namespace prosodia
