#include "data/corpus/word_sidecar.h"

#include <algorithm>

#include "data/base/json.h"
#include "data/base/number.h"
#include "data/store/fs.h"

namespace prosodia {
namespace {

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t at = 0; (at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
  return fields;
}

void sort_by_start(std::vector<Word>& words) {
  std::stable_sort(words.begin(), words.end(),
                   [](const Word& a, const Word& b) { return a.start_seconds < b.start_seconds; });
}

}  // namespace

Result<std::map<std::string, std::vector<Word>, std::less<>>> parse_ctm(std::string_view text, std::string_view name) {
  std::map<std::string, std::vector<Word>, std::less<>> words_of;
  int number = 0;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const auto fields = split_fields(line);
    if (fields.empty() || fields[0].starts_with(";;")) continue;
    const auto start = fields.size() >= 5 ? parse_number(fields[2]) : std::nullopt;
    const auto duration = fields.size() >= 5 ? parse_number(fields[3]) : std::nullopt;
    if (!start || !duration || *start < 0 || *duration < 0) {
      return fail(ErrorCode::kInvalidInput,
                  "{}:{}: expected \"ID CHANNEL START DURATION WORD\" with times in seconds of 0 or more", name,
                  number + 1);
    }
    words_of[std::string(fields[0])].push_back(
        {std::string(fields[4]), static_cast<float>(*start), static_cast<float>(*start + *duration), false, false});
  }
  for (auto& [id, words] : words_of) sort_by_start(words);
  return words_of;
}

Result<std::vector<Word>> parse_word_json(std::string_view text, std::string_view name) {
  PROSODIA_ASSIGN(const nlohmann::json root, parse_json(text, name));
  std::vector<Word> words;
  const auto add = [&](const nlohmann::json& list) -> Status {
    for (const nlohmann::json& entry : list) {
      const auto field = [&](const char* key) {
        const auto found = entry.is_object() ? entry.find(key) : entry.end();
        return entry.is_object() && found != entry.end() ? *found : nlohmann::json();
      };
      const nlohmann::json spoken = field("word").is_string() ? field("word") : field("text");
      const nlohmann::json start = field("start"), end = field("end");
      if (!spoken.is_string() || !start.is_number() || !end.is_number()) {
        return fail(ErrorCode::kInvalidInput,
                    "{}: word {} is {}; expected {{\"word\": \"…\", \"start\": seconds, \"end\": seconds}}", name,
                    words.size(), brief(entry));
      }
      std::string word = spoken.get<std::string>();
      const size_t begin = word.find_first_not_of(" \t\r\n");  // Whisper writes " word"
      word = begin == std::string::npos ? "" : word.substr(begin, word.find_last_not_of(" \t\r\n") + 1 - begin);
      words.push_back({std::move(word), start.get<float>(), end.get<float>(), false, false});
    }
    return {};
  };
  const nlohmann::json* list = root.is_array() ? &root : nullptr;
  if (root.is_object() && root.contains("words")) list = &root["words"];
  if (list != nullptr && list->is_array()) {
    PROSODIA_TRY(add(*list));
  } else if (root.is_object() && root.contains("segments") && root["segments"].is_array()) {
    for (const nlohmann::json& segment : root["segments"]) {
      if (!segment.is_object() || !segment.contains("words") || !segment["words"].is_array()) {
        return fail(ErrorCode::kInvalidInput, "{}: a segment without a list \"words\"", name);
      }
      PROSODIA_TRY(add(segment["words"]));
    }
  } else {
    return fail(ErrorCode::kInvalidInput, "{}: expected a list of words, or an object with \"words\" or \"segments\"",
                name);
  }
  sort_by_start(words);
  return words;
}

Result<WordTimes> WordTimes::open(const std::filesystem::path& path) {
  WordTimes times;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    times.folder_ = path;
    return times;
  }
  if (path.extension() != ".ctm" || !std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::kInvalidInput,
                "{}: expected a folder with ID.TextGrid, ID.json or ID.ctm files, or one .ctm file", path.string());
  }
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  PROSODIA_ASSIGN(times.ctm_, parse_ctm(text, path.string()));
  return times;
}

Result<std::optional<std::vector<Word>>> WordTimes::find(const std::string& id) const {
  std::optional<std::vector<Word>> none;
  if (folder_.empty()) {
    const auto it = ctm_.find(id);
    return it == ctm_.end() ? none : std::optional(it->second);
  }
  std::error_code error;
  for (const char* extension : {".TextGrid", ".json", ".ctm"}) {
    const std::filesystem::path path = folder_ / (id + extension);
    if (!std::filesystem::is_regular_file(path, error)) continue;
    PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
    if (path.extension() == ".TextGrid") {
      PROSODIA_ASSIGN(std::vector<Word> words, parse_textgrid(text, path.string()));
      return std::optional(std::move(words));
    }
    if (path.extension() == ".json") {
      PROSODIA_ASSIGN(std::vector<Word> words, parse_word_json(text, path.string()));
      return std::optional(std::move(words));
    }
    PROSODIA_ASSIGN(auto words_of, parse_ctm(text, path.string()));
    const auto it = words_of.find(id);
    if (it == words_of.end() && !words_of.empty()) {
      return fail(ErrorCode::kInvalidInput, "{}: has words of \"{}\", none of \"{}\"", path.string(),
                  words_of.begin()->first, id);
    }
    if (it != words_of.end()) return std::optional(std::move(it->second));
  }
  return none;
}

}  // namespace prosodia
