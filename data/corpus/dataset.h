// Training and evaluation sets: JSONL in ms-swift's form, one object a line:
//   {"messages":[{"role":"system"|"user"|"assistant","content":"…<audio>…"}],"audios":["a.wav","C.h5#utt_id"],
//    "solution":"happy", …}
// Extra keys are kept in `row` and reach the rewards. The number of "<audio>" tags in the messages must equal the
// number of audios. Relative audio paths are relative to the folder of the file.
//
// Called by: sft, train, eval, infer, score, the coordinator. Thread rule: pure functions.
// Failure rule: malformed input is kInvalidInput with "file:line: what, expected"; so is a missing file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// A row that travels (coordinator to workers, rollout archive) says under this key where it was read: "FILE:LINE".
inline constexpr const char* kOriginKey = "__origin__";

struct Message {
  std::string role;     // "system", "user" or "assistant"
  std::string content;  // UTF-8; each "<audio>" stands for the next of `audios`
};

struct Sample {
  std::vector<Message> messages;    // not empty
  std::vector<std::string> audios;  // absolute: "/d/a.wav" or "/d/C.h5#utt_id"
  std::string solution;             // "" when the row has none
  nlohmann::json row;               // the whole object as read, without kOriginKey
  int64_t line = 0;                 // from 1
  std::string origin;               // "FILE:LINE": what messages about this row name

  bool ends_with_assistant() const { return !messages.empty() && messages.back().role == "assistant"; }
};

// Empty lines are skipped; a file without any row is an error.
Result<std::vector<Sample>> read_dataset(const std::filesystem::path& path);
// The same of a file's text that was read already.
Result<std::vector<Sample>> parse_dataset(const std::string& text, const std::filesystem::path& path);

// One row. `file` and `line` only go into messages, and give way to the row's own kOriginKey; `base_dir` is what
// relative audio paths are relative to.
Result<Sample> parse_sample(std::string_view json, const std::filesystem::path& base_dir, std::string_view file,
                            int64_t line);

// `row` as it leaves its file: audios absolute, kOriginKey set.
nlohmann::json travelling_row(const Sample& sample);

// Every file that the rows' audios name is there; kInvalidInput naming row and file otherwise. Reads no audio.
Status check_audio_files(const std::vector<Sample>& samples);

// "<audio>" occurrences in all messages.
size_t count_audio_tags(const std::vector<Message>& messages);

std::string without_audio_tags(std::string text);

// All message contents of a set, without "<audio>" tags: what a tokenizer is trained on.
std::vector<std::string> dataset_texts(const std::vector<Sample>& samples);

}  // namespace prosodia
