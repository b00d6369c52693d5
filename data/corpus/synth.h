// `data synth`: a corpus of speech with controlled prosody over nine emotions. Every emotion draws its pitch, energy,
// speed, intonation and phonation from its own distribution (emotions.h); the distributions overlap, so listening pays
// and perfection is impossible: the accuracy of the best possible listener is in the report.
//
// espeak-ng speaks, as a program, several at a time (it is GPL and therefore not linked), with voices of our own
// (speakers.h) that also whisper; the energy is set on its signal. Speakers and sentences of the test split never occur
// in training.
//
// Called by: the command. Thread rule: blocking, starts `jobs` threads of its own; one call a file at a time.
// Deterministic: the same options and the same espeak-ng give the same file, to the byte, whatever `jobs` is.
//
// Failure rule: a missing espeak-ng is kUnavailable and names the package to install; its failures carry its exit
// status, the utterance and its last words; voices it silently ignores are noticed by their pitch. After an error no
// file is left behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "data/base/status.h"

namespace prosodia {

struct SynthOptions {
  std::filesystem::path out;  // the corpus to write, replaced when it exists
  int utterances = 4000;      // training utterances, >= 1
  int test_utterances = -1;   // -1: 18 % of `utterances`, at least 9; 0: none
  uint64_t seed = 0;
  double stress_share = 0;                               // share of utterances with one stressed word, 0..1
  int jobs = 0;                                          // synthesisers at a time; 0: one a core
  double max_seconds = 2.0;                              // longer clips are cut, with a short fade; range 0.5..30
  std::string espeak_ng = "espeak-ng";                   // program name (searched in PATH) or path
  std::function<void(int done, int total)> on_progress;  // from the calling thread; may be empty
  std::function<bool()> stop_requested;                  // from the calling thread; may be empty. True: kInterrupted
};

struct SynthReport {
  int utterances = 0;  // written, both splits
  int truncated = 0;   // cut at max_seconds
  double audio_seconds = 0;
  double wall_seconds = 0;
  double bayes_accuracy = 0;    // of a listener that knows every controlled level
  std::string to_text() const;  // for people
};

Result<SynthReport> synthesize_corpus(const SynthOptions& options);

}  // namespace prosodia
