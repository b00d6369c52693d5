#include "data/builders/jsonl_writer.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "data/base/json.h"

namespace prosodia {
namespace {

Result<std::string> text_field(const nlohmann::json& object, const char* key, std::string_view where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string() ||
      found->get<std::string>().find_first_not_of(" \t\n") == std::string::npos) {
    return fail(ErrorCode::kInvalidInput, "{}: \"{}\" is {}; expected {{\"id\":\"UTTERANCE\",\"reasoning\":\"TEXT\"}}",
                where, key, found == object.end() ? "missing" : brief(*found));
  }
  return found->get<std::string>();
}

}  // namespace

Result<std::unique_ptr<JsonlWriter>> JsonlWriter::open(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorCode::kInvalidInput, "{}: cannot be read: {}", path.string(), std::strerror(errno));
  std::unique_ptr<JsonlWriter> writer(new JsonlWriter(path.filename().string()));
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    PROSODIA_ASSIGN(const nlohmann::json object, parse_json_object(line, where));
    PROSODIA_ASSIGN(std::string id, text_field(object, "id", where));
    PROSODIA_ASSIGN(std::string text, text_field(object, "reasoning", where));
    for (std::string_view tag : {"<think>", "</think>", "<answer>", "</answer>", "<audio>"}) {
      if (text.find(tag) != std::string::npos) {
        return fail(ErrorCode::kInvalidInput,
                    "{}: \"reasoning\" holds {}; expected the text inside <think></think> alone", where, tag);
      }
    }
    if (!writer->texts_.emplace(id, std::move(text)).second) {
      return fail(ErrorCode::kInvalidInput, "{}: utterance \"{}\" has a reasoning already", where, id);
    }
  }
  if (writer->texts_.empty()) return fail(ErrorCode::kInvalidInput, "{}: no reasoning in it", path.string());
  return writer;
}

Result<std::vector<WrittenReasoning>> JsonlWriter::write(std::span<const ReasoningRequest> requests) {
  std::vector<WrittenReasoning> written;
  for (const ReasoningRequest& request : requests) {
    const auto found = texts_.find(request.id);
    if (found == texts_.end()) {
      ++from_grammar_;
      written.push_back(WrittenReasoning::draft_of(request));
    } else {
      ++from_file_;
      written.push_back({found->second, request.true_emotion, "jsonl:" + name_, false});
    }
  }
  return written;
}

std::string JsonlWriter::summary() const {
  return fmt::format("writer: {} texts from {}, {} by the grammar for utterances that it does not name", from_file_,
                     name_, from_grammar_);
}

}  // namespace prosodia
