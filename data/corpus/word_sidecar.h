// Word times from files beside a corpus: what forced aligners and annotators write.
//
// Called by: data annotate (--word_times). Thread rule: pure functions; WordTimes::find from any thread. Failure rule:
// a file that is there but cannot be read as its format is kInvalidInput with "file:line: what, expected"; an utterance
// without times is nullopt.
//
//   ID.TextGrid  Praat, long or short text form, UTF-8; the interval tier "words" (or "word", any case), else the only
//                interval tier. Intervals without text, or with "<…>", "sil", "sp" or "spn", are pauses.
//   ID.json      {"words":[W…]}, {"segments":[{"words":[W…]}…]} (WhisperX) or [W…], where W is {"word" or "text":
//                "…", "start": seconds, "end": seconds}. Entries without times are an error.
//   ID.ctm       NIST: lines of "ID CHANNEL START DURATION WORD [CONFIDENCE]"; ";;" starts a comment. One file with
//                all utterances may stand for the folder.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/prosody/words.h"

namespace prosodia {

class WordTimes {
 public:
  // A folder with a file an utterance, or one .ctm file.
  static Result<WordTimes> open(const std::filesystem::path& path);
  // Words in ascending order of their start.
  Result<std::optional<std::vector<Word>>> find(const std::string& id) const;

 private:
  std::filesystem::path folder_;  // empty when everything is in ctm_
  std::map<std::string, std::vector<Word>, std::less<>> ctm_;
};

// `name` stands for the file in messages.
Result<std::map<std::string, std::vector<Word>, std::less<>>> parse_ctm(std::string_view text, std::string_view name);
Result<std::vector<Word>> parse_textgrid(std::string_view text, std::string_view name);
Result<std::vector<Word>> parse_word_json(std::string_view text, std::string_view name);

}  // namespace prosodia
