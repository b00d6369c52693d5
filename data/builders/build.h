// `data build`: the training and evaluation sets of EmotionThinker's recipe, as JSONL (data/corpus/dataset.h) in one
// folder, from one corpus:
//   prosody.sft.jsonl      questions about pitch, energy, speed, intonation, voice (paper style also gender and age)
//   prosody.eval.jsonl     the same, held out: no answer, but `attribute`, `options`, `solution`; stress too
//   stress.sft.jsonl       which word is stressed
//   comparative.sft.jsonl  the same sentence two or three times with another pitch, energy or speed: which is which?
//   comparative.eval.jsonl the same, held out, as prosody.eval.jsonl
//   comparative.h5         the audio of these two
//   coldstart.sft.jsonl    <think>…</think><answer>…</answer> responses whose cues name the utterance's prosody
//   rl.jsonl, eval.jsonl   prompts without an assistant turn, with `solution`
//   rm.sft.jsonl, rm.eval.jsonl   reasoning of prescribed quality with its four grades (rubric.h), for the reward model
// "eval" is the test split, the rest the training split. Sets of size 0 are not written (prosody.sft and coldstart.sft:
// written empty); a file of an earlier build stays.
//
// Every row carries id, emotion, speaker, transcript, `prosody` (levels a claim is checked against), `prosody_source`
// (for each attribute "measured" or "controlled": measured where calibrated measurement and control agree often enough
// over the training split, else controlled; recorded speech has no control, so measured), and `source`: the corpus, who
// wrote the text, and what was changed on purpose. Questions are in English whatever the language of the speech.
//
// Called by: the command. Thread rule: one call a folder at a time; the comparative set uses `jobs` threads of its own.
// Deterministic in (corpus, options, writer); a set's rows do not depend on the size of another, and a smaller set is
// the beginning of a larger one. Files are replaced atomically, one after the other.
//
// Failure rule: options out of range are kUsage; a corpus without training utterances kInvalidInput; else as corpus.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/base/status.h"
#include "data/builders/reasoning_writer.h"
#include "data/corpus/prompt_style.h"

namespace prosodia {

// Which utterances the cold start and the reward-model sets take.
enum class Balance {
  kNone,     // all in turn
  kEmotion,  // as many of each emotion, rare ones again and again
  kSpeaker,  // as many of each speaker
};

struct BuildOptions {
  std::filesystem::path corpus;      // C.h5
  std::filesystem::path output_dir;  // made when absent
  uint64_t seed = 0;
  PromptStyle prompt_style = PromptStyle::kShort;
  Grammar grammar = Grammar::kSmall;  // of the cold start and the reward-model sets
  Balance balance = Balance::kNone;
  int prosody_rows = 8000;      // each >= 0
  int prosody_eval_rows = 600;  // at most one an utterance and attribute
  int stress_rows = 0;
  int comparative_rows = 0;
  int comparative_eval_rows = 0;
  int coldstart_rows = 4000;
  int rm_rows = 0;
  int rm_eval_rows = 0;
  double cue_noise = 0.12;      // share of cues whose level is replaced by another one, 0..1
  double cue_omission = 0.25;   // share of cues left out, 0..1 (one cue always stays)
  double emotion_noise = 0.10;  // share of cold-start answers replaced by another emotion, 0..1
  double min_agreement = 0.90;  // measured levels are used for an attribute that agrees with control this often
  int jobs = 0;                 // threads that modify audio; 0: one a core
  bool dry_run = false;         // count the rows and write nothing; reasoning is the grammar's
  std::string train_split = "train", test_split = "test";

  // Who writes the cold start's reasoning. Not owned, may be null: the grammar.
  ReasoningWriter* writer = nullptr;
  std::function<void(std::string_view file, int rows, int total)> on_progress;  // from the calling thread; may be empty
  std::function<bool()> stop_requested;                                         // likewise. True: kInterrupted
};

struct BuildReport {
  std::vector<std::pair<std::string, int>> files;  // name and rows, in the order written
  std::vector<std::string> notes;                  // e.g. which source each attribute takes and its agreement
  int rows(std::string_view file) const;           // 0 when it was not written
};

Result<BuildReport> build_datasets(const BuildOptions& options);

}  // namespace prosodia
