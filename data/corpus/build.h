// `data build`: JSONL training sets (dataset.h) from a corpus, written into one folder:
//   prosody.sft.jsonl    questions about pitch, energy, speed, intonation and voice with short answers, levels balanced
//   coldstart.sft.jsonl  <think>…</think><answer>…</answer> responses whose cues name the utterance's prosody
//   rl.jsonl             training prompts without an assistant turn, with `solution`
//   eval.jsonl           the same for the test split
// Rows also carry id, emotion, speaker, transcript, `prosody` (levels a claim is checked against) and `prosody_source`
// (for each attribute "measured" or "controlled"): measured where calibrated measurement and control agree often enough
// over the training split, else controlled; recorded speech has no control, so measured.
//
// Called by: the command. Thread rule: single thread. Deterministic in (corpus, options); a set's rows do not depend on
// the size of another. Files are replaced atomically.
//
// Failure rule: options out of range are kUsage; a corpus without training utterances kInvalidInput; else as corpus.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/prompt_style.h"

namespace prosodia {

struct BuildOptions {
  std::filesystem::path corpus;      // C.h5
  std::filesystem::path output_dir;  // made when absent
  uint64_t seed = 0;
  PromptStyle prompt_style = PromptStyle::kShort;
  int prosody_rows = 8000;      // >= 0
  int coldstart_rows = 4000;    // >= 0
  double cue_noise = 0.12;      // share of cues whose level is replaced by another one, 0..1
  double cue_omission = 0.25;   // share of cues left out, 0..1 (one cue always stays)
  double emotion_noise = 0.10;  // share of cold-start answers replaced by another emotion, 0..1
  double min_agreement = 0.90;  // measured levels are used for an attribute that agrees with control this often
  std::string train_split = "train", test_split = "test";
};

struct BuildReport {
  int prosody_rows = 0, coldstart_rows = 0, rl_rows = 0, eval_rows = 0;
  std::vector<std::string> notes;  // e.g. which source each attribute takes and its agreement
};

Result<BuildReport> build_datasets(const BuildOptions& options);

// The texts of every *.jsonl that build_datasets writes into `output_dir`: for training a tokenizer.
Result<std::vector<std::string>> build_texts(const std::filesystem::path& output_dir);

}  // namespace prosodia
