// The synthetic speakers: espeak-ng voice variants of our own, each with its vocal tract (formant scales), pitch and
// accent. They are the same for every seed, so that the test speakers of one corpus are not in the training split of
// another.
//
// Called by: synth. Thread rule: pure functions.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

struct SynthSpeaker {
  std::string id;                          // "m03", "f11"
  std::string gender;                      // male | female
  std::string accent;                      // an espeak-ng language
  double f0_hz = 0;                        // normal pitch level
  std::array<double, 3> f0_level_ratio{};  // low, normal, high: multiply f0_hz
  std::array<int, 6> formant_percent{};    // frequency scale of formants 0..5
};

std::vector<SynthSpeaker> train_speakers();
std::vector<SynthSpeaker> test_speakers();

// The contents of a voice file. `f0_hz` is the pitch of a flat utterance at espeak-ng's -p 50.
std::string voiced_variant(const SynthSpeaker& speaker, double f0_hz);
std::string whisper_variant(const SynthSpeaker& speaker);

// Short, lexically neutral sentences of five syllables and of nearly equal length when spoken, in which every word can
// carry a pitch of its own; no sentence is in both lists.
std::span<const std::string_view> train_sentences();
std::span<const std::string_view> test_sentences();

}  // namespace prosodia
