#include "data/corpus/espeak.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "data/base/check.h"
#include "data/corpus/child_process.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

std::string variant_name(const SynthSpeaker& speaker, const ProsodyLevels& levels) {
  return fmt::format("prosodia-{}-{}", speaker.id, levels.voice == "whisper" ? levels.voice : levels.pitch);
}

struct Installation {
  std::string version;
  fs::path data;
};

// "eSpeak NG text-to-speech: 1.51  Data at: /usr/lib/x86_64-linux-gnu/espeak-ng-data"
Result<Installation> find_installation(const std::string& program) {
  const Result<ChildOutput> output = run_program({program, "--version"});
  if (!output) {
    return fail(output.error().code,
                "{}. The synthetic corpus is spoken by espeak-ng: install it with "
                "`apt-get install espeak-ng` (or `dnf install espeak-ng`), or name the program with --espeak_ng",
                output.error().message);
  }
  const std::string text(reinterpret_cast<const char*>(output->out.data()), output->out.size());
  static constexpr std::string_view kVersion = "text-to-speech: ", kData = "Data at: ";
  const size_t version = text.find(kVersion), data = text.find(kData);
  if (output->exit_status != 0 || version == std::string::npos || data == std::string::npos) {
    return fail(ErrorCode::kUnavailable,
                "`{} --version` ended with status {} and said \"{}\"; expected espeak-ng 1.49 or later", program,
                output->exit_status, text.substr(0, 200));
  }
  Installation found;
  const size_t begin = version + kVersion.size();
  found.version = text.substr(begin, text.find(' ', begin) - begin);
  const size_t path = data + kData.size();
  found.data = text.substr(path, text.find_first_of("\r\n", path) - path);
  if (!fs::is_directory(found.data)) {
    return fail(ErrorCode::kUnavailable,
                "{} says its data is at \"{}\", but no such folder is there; reinstall espeak-ng", program,
                found.data.string());
  }
  return found;
}

Status write_voice(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return fail(ErrorCode::kStorage, "cannot write {}: {}", path.string(), std::strerror(errno));
  return {};
}

Status fill_folder(const fs::path& folder, const fs::path& installed, std::span<const SynthSpeaker> speakers) {
  const fs::path data = folder / "espeak-ng-data";
  const fs::path variants = data / "voices" / "!v";
  std::error_code error;
  fs::create_directories(variants, error);
  for (const auto& entry : fs::directory_iterator(installed, error)) {
    if (entry.path().filename() != "voices") fs::create_symlink(entry.path(), data / entry.path().filename(), error);
    if (error) break;
  }
  if (error) return fail(ErrorCode::kStorage, "cannot prepare voices in {}: {}", folder.string(), error.message());
  for (const SynthSpeaker& speaker : speakers) {
    ProsodyLevels levels;
    for (size_t i = 0; i < speaker.f0_level_ratio.size(); ++i) {
      levels.pitch = level_names(Attribute::kPitch)[i];
      PROSODIA_TRY(write_voice(variants / variant_name(speaker, levels),
                               voiced_variant(speaker, speaker.f0_hz * speaker.f0_level_ratio[i])));
    }
    levels.voice = "whisper";
    PROSODIA_TRY(write_voice(variants / variant_name(speaker, levels), whisper_variant(speaker)));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Espeak>> Espeak::prepare(const std::string& program, std::span<const SynthSpeaker> speakers) {
  PROSODIA_ASSIGN(const Installation installed, find_installation(program));
  std::error_code error;
  const fs::path base = fs::temp_directory_path(error);
  if (error) {
    return fail(ErrorCode::kStorage, "no temporary folder: {}; set TMPDIR to a writable folder", error.message());
  }
  std::string pattern = (base / "prosodia-voices-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return fail(ErrorCode::kStorage, "cannot make a folder {}: {}; set TMPDIR to a writable folder", pattern,
                std::strerror(errno));
  }
  std::unique_ptr<Espeak> espeak(new Espeak(program, pattern));
  espeak->version_ = installed.version;
  PROSODIA_TRY(fill_folder(pattern, installed.data, speakers));
  return espeak;
}

Espeak::~Espeak() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Result<AudioClip> Espeak::say(const SynthSpeaker& speaker, const UtterancePlan& plan) const {
  const std::string voice = speaker.accent + "+" + variant_name(speaker, plan.controlled);
  const auto failed = [&](ErrorCode code, std::string_view why) {
    return fail(code, "{} could not speak utterance {} (\"{}\", voice {}): {}", program_, plan.id, plan.sentence, voice,
                why);
  };
  const Result<ChildOutput> output =
      run_program({program_, "--path=" + folder_.string(), "-v", voice, "-p", "50", "-s",
                   std::to_string(plan.words_per_minute), "-m", "--stdout", to_ssml(plan)});
  if (!output) return failed(output.error().code, output.error().message);
  if (output->exit_status != 0 || !output->err.empty()) {
    return failed(ErrorCode::kUnavailable, fmt::format("exit status {}, {}", output->exit_status,
                                                       output->err.empty() ? "no message" : output->err));
  }
  Result<AudioClip> clip = decode_audio(output->out, plan.id);
  if (!clip) return failed(ErrorCode::kUnavailable, clip.error().message);
  return clip;
}

}  // namespace prosodia
