#include "data/corpus/dataset.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;

constexpr std::string_view kAudioTag = "<audio>";

size_t count_tags(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(kAudioTag); at != std::string_view::npos;
       at = text.find(kAudioTag, at + kAudioTag.size())) {
    ++count;
  }
  return count;
}

Result<std::vector<Message>> parse_messages(const json& row) {
  const auto entry = row.find("messages");
  if (entry == row.end() || !entry->is_array() || entry->empty()) {
    return fail(ErrorCode::kInvalidInput,
                "expected a non-empty array \"messages\" of {{\"role\":…,\"content\":…}} objects");
  }
  std::vector<Message> messages;
  for (const json& item : *entry) {
    const size_t index = messages.size();
    const auto text_of = [&](const char* key) -> Result<std::string> {
      const auto value = item.is_object() ? item.find(key) : item.end();
      if (!item.is_object() || value == item.end() || !value->is_string()) {
        return fail(ErrorCode::kInvalidInput, "messages[{}] needs a string \"{}\"", index, key);
      }
      return value->get<std::string>();
    };
    Message message;
    PROSODIA_ASSIGN(message.role, text_of("role"));
    PROSODIA_ASSIGN(message.content, text_of("content"));
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return fail(ErrorCode::kInvalidInput, "messages[{}] has role \"{}\"; expected system, user or assistant", index,
                  message.role);
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

// "C.h5#id" keeps its part behind the first '#' of the file name; only the path in front is made absolute.
std::string absolute_reference(const std::string& reference, const std::filesystem::path& base_dir) {
  const size_t slash = reference.rfind('/');
  const size_t hash = reference.find('#', slash == std::string::npos ? 0 : slash);
  const std::string file = reference.substr(0, hash);
  const std::string rest = hash == std::string::npos ? "" : reference.substr(hash);
  std::filesystem::path path(file);
  if (path.is_relative()) path = std::filesystem::absolute(base_dir) / path;
  return path.lexically_normal().string() + rest;
}

Result<std::vector<std::string>> parse_audios(const json& row, const std::filesystem::path& base_dir) {
  std::vector<std::string> audios;
  const auto entry = row.find("audios");
  if (entry == row.end() || entry->is_null()) return audios;
  if (!entry->is_array()) return fail(ErrorCode::kInvalidInput, "\"audios\" must be an array of strings");
  for (const json& item : *entry) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      return fail(ErrorCode::kInvalidInput, "audios[{}] must be a non-empty string", audios.size());
    }
    audios.push_back(absolute_reference(item.get<std::string>(), base_dir));
  }
  return audios;
}

// What ms-swift's form allows and no model here reads: refused, because leaving it out would answer another question.
Status refuse_vision(const json& row, const std::vector<Message>& messages) {
  for (const char* key : {"videos", "images"}) {
    const auto entry = row.find(key);
    if (entry != row.end() && !entry->is_null() && !entry->empty()) {
      return fail(ErrorCode::kInvalidInput, "\"{}\": only text and audio are supported; remove these rows", key);
    }
  }
  for (const Message& message : messages) {
    for (const char* tag : {"<video>", "<image>"}) {
      if (message.content.find(tag) != std::string::npos) {
        return fail(ErrorCode::kInvalidInput,
                    "a {} tag in a message: only text and audio are supported; remove these rows", tag);
      }
    }
  }
  return {};
}

Result<Sample> sample_from(json row, const std::filesystem::path& base_dir) {
  if (!row.is_object()) return fail(ErrorCode::kInvalidInput, "expected a JSON object, found {}", row.type_name());
  Sample sample;
  PROSODIA_ASSIGN(sample.messages, parse_messages(row));
  PROSODIA_TRY(refuse_vision(row, sample.messages));
  PROSODIA_ASSIGN(sample.audios, parse_audios(row, base_dir));
  const size_t tags = count_audio_tags(sample.messages);
  if (tags != sample.audios.size()) {
    return fail(ErrorCode::kInvalidInput, "{} \"<audio>\" tags in the messages, but {} entries in \"audios\"", tags,
                sample.audios.size());
  }
  if (const auto solution = row.find("solution"); solution != row.end() && !solution->is_null()) {
    if (!solution->is_string()) return fail(ErrorCode::kInvalidInput, "\"solution\" must be a string");
    sample.solution = solution->get<std::string>();
  }
  sample.row = std::move(row);
  return sample;
}

}  // namespace

size_t count_audio_tags(const std::vector<Message>& messages) {
  size_t count = 0;
  for (const Message& message : messages) count += count_tags(message.content);
  return count;
}

Result<Sample> parse_sample(std::string_view text, const std::filesystem::path& base_dir, std::string_view file,
                            int64_t line) {
  const std::string where = fmt::format("{}:{}", file, line);
  PROSODIA_ASSIGN(json row, parse_json(text, where));
  Result<Sample> sample = sample_from(std::move(row), base_dir);
  if (!sample) return wrap(sample.error(), where);
  sample->line = line;
  sample->origin = fmt::format("{}:{}", file, line);
  if (const auto origin = sample->row.find(kOriginKey); origin != sample->row.end()) {
    if (origin->is_string()) sample->origin = origin->get<std::string>();
    sample->row.erase(origin);
  }
  return sample;
}

namespace {

Result<std::vector<Sample>> read_rows(std::istream& file, const std::filesystem::path& path) {
  const std::filesystem::path base_dir = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::vector<Sample> samples;
  std::string text;
  for (int64_t line = 1; std::getline(file, text); ++line) {
    if (line == 1 && text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    PROSODIA_ASSIGN(Sample sample, parse_sample(text, base_dir, path.string(), line));
    samples.push_back(std::move(sample));
  }
  if (file.bad()) return fail(ErrorCode::kStorage, "reading {} failed: {}", path.string(), std::strerror(errno));
  if (samples.empty()) {
    return fail(ErrorCode::kInvalidInput, "{}: no rows; expected one JSON object a line with \"messages\"",
                path.string());
  }
  return samples;
}

}  // namespace

Result<std::vector<Sample>> parse_dataset(const std::string& text, const std::filesystem::path& path) {
  std::istringstream lines(text);
  return read_rows(lines, path);
}

Result<std::vector<Sample>> read_dataset(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;  // a folder we may not look into must not throw
  if (!file || std::filesystem::is_directory(path, error)) {
    const bool exists = std::filesystem::exists(path, error);
    return fail(ErrorCode::kInvalidInput, "cannot read {}: {}", path.string(),
                error    ? error.message()
                : exists ? "not a readable file"
                         : "no such file");
  }
  return read_rows(file, path);
}

nlohmann::json travelling_row(const Sample& sample) {
  json row = sample.row;
  row["audios"] = sample.audios;
  row[kOriginKey] = sample.origin;
  return row;
}

Status check_audio_files(const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) {
    for (const std::string& audio : sample.audios) {
      std::error_code ignored;
      const std::string file = audio.substr(0, audio.rfind('#'));
      if (std::filesystem::exists(file, ignored) || std::filesystem::exists(audio, ignored)) continue;
      return fail(ErrorCode::kInvalidInput, "{}: {} does not exist", sample.origin, file);
    }
  }
  return {};
}

std::string without_audio_tags(std::string text) {
  for (size_t at = text.find(kAudioTag); at != std::string::npos; at = text.find(kAudioTag, at)) {
    text.erase(at, kAudioTag.size());
  }
  return text;
}

std::vector<std::string> dataset_texts(const std::vector<Sample>& samples) {
  std::vector<std::string> texts;
  for (const Sample& sample : samples) {
    for (const Message& message : sample.messages) texts.push_back(without_audio_tags(message.content));
  }
  return texts;
}

}  // namespace prosodia
