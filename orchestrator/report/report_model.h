// What the page shows, as plain data: read_run.h fills it, page_json.h writes it down. No behaviour.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/prosody/levels.h"
#include "orchestrator/monitor/run_history.h"
#include "orchestrator/monitor/step_report.h"
#include "orchestrator/report/answer_history.h"
#include "orchestrator/report/timeline.h"
#include "reward/faithfulness.h"

namespace prosodia {

struct ConfigValue {
  std::string name, value, section, help;
};

// A run folder to be shown, with what only the caller can read of it.
struct RunInput {
  std::filesystem::path dir;
  std::string name;
  std::vector<ConfigValue> config;      // in the order of the option table; may be empty
  std::string scale_rewards = "group";  // the run's, for the advantages
};

// A claim about the voice, by its place in the response in UTF-16 units, as browsers count.
struct MarkedClaim {
  size_t begin = 0, end = 0;
  ClaimTruth truth = ClaimTruth::kUnmeasured;
  Attribute attribute = Attribute::kPitch;
  std::string level;
  bool negated = false;
};

struct ShownResponse {
  SampledResponse sample;  // all texts valid UTF-8
  std::vector<MarkedClaim> claims;
  int true_claims = 0, checkable_claims = 0;
};

enum class LevelSource : uint8_t { kNone, kRow, kCorpus, kSignal };  // kSignal: measured for the page

// A prompt with its K responses.
struct ShownGroup {
  uint64_t step = 0;  // as in metrics.jsonl
  uint64_t group_id = 0, policy_version = 0;
  std::string audio;       // the row's first clip; "" without
  std::string transcript;  // when the row or its corpus has one
  ProsodyLevels levels;
  LevelSource level_source = LevelSource::kNone;
  std::vector<ShownResponse> responses;
};

struct ShownClip {
  std::string audio;   // ShownGroup::audio
  std::string markup;  // player and drawing, HTML
};

struct ShownRun {
  std::string name, path;
  RunHistory history;
  std::vector<double> seconds;  // wall time since the first step's end, one a step of the history
  std::vector<ConfigValue> config;
  AnswerHistory answers;
  std::vector<ShownGroup> groups;  // by step
  uint64_t groups_there = 0;       // in the archive, shown or not
  std::vector<ShownClip> clips;
  Timeline timeline;
  std::vector<std::string> notes;        // what is not shown, and why
  std::vector<std::string> level_notes;  // where the groups' prosody is from, when not from their rows
};

}  // namespace prosodia
