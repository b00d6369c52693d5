// espeak-ng as a program, with our own speakers: a temporary data folder links to the installed data and adds a voice
// file for each speaker, pitch level and phonation.
//
// Called by: synth. Thread rule: say() from any thread. Failure rule: a missing program is kUnavailable and names the
// package; a failing one carries its exit status and its last words. The folder goes with the object.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "data/audio/clip.h"
#include "data/base/status.h"
#include "data/corpus/speakers.h"
#include "data/corpus/synth_plan.h"

namespace prosodia {

class Espeak {
 public:
  static Result<std::unique_ptr<Espeak>> prepare(const std::string& program, std::span<const SynthSpeaker> speakers);
  ~Espeak();
  Espeak(const Espeak&) = delete;
  Espeak& operator=(const Espeak&) = delete;

  // The utterance as espeak-ng says it, 16 kHz, untrimmed, at espeak-ng's own loudness.
  Result<AudioClip> say(const SynthSpeaker& speaker, const UtterancePlan& plan) const;
  const std::string& version() const { return version_; }  // "1.51"

 private:
  Espeak(std::string program, std::filesystem::path folder)
      : program_(std::move(program)), folder_(std::move(folder)) {}
  std::string program_, version_;
  std::filesystem::path folder_;
};

}  // namespace prosodia
