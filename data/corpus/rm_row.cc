#include "data/corpus/rm_row.h"

#include "data/base/check.h"
#include "data/base/json.h"
#include "data/text/unicode.h"

namespace prosodia {
namespace {

constexpr std::string_view kShortInstruction = "Grade the response.";
constexpr std::string_view kPaperInstruction =
    "You are a strict judge of reasoning about emotion in speech. Listen to the audio, read the question and the "
    "response, and grade the response on four criteria with an integer from 1 (very poor) to 5 (excellent):\n"
    "factual_alignment: the stated speaker traits and prosodic cues agree with the audio.\n"
    "interpretative_quality: the cues support the emotion that is concluded.\n"
    "caption_completeness: pitch, energy, speed, stress, intonation and speaker traits are covered.\n"
    "fluency_structural_clarity: the text is fluent, ordered and neither empty nor repetitive.\n"
    "Answer with one JSON object holding these four keys and nothing else.";

// The dataset reader would take a media tag inside a text for one of the row's own.
std::string defused(std::string_view bytes) {
  std::string text;
  append_utf8_lossy(bytes, text);
  for (const std::string_view tag : {"<audio>", "<image>", "<video>"}) {
    for (size_t at = text.find(tag); at != std::string::npos; at = text.find(tag, at)) text.insert(at + 1, 1, ' ');
  }
  return text;
}

}  // namespace

std::vector<Message> rm_messages(PromptStyle style, const RmQuery& query) {
  std::string content;
  for (size_t i = 0; i < query.num_audios; ++i) content += "<audio>";
  content.append(defused(query.question)).append("\nResponse: ").append(defused(query.response));
  const std::string_view instruction = style == PromptStyle::kShort ? kShortInstruction : kPaperInstruction;
  return {{"system", std::string(instruction)}, {"user", std::move(content)}};
}

std::string rm_question(std::span<const Message> messages) {
  for (size_t i = messages.size(); i-- > 0;)
    if (messages[i].role == "user") return without_audio_tags(messages[i].content);
  return {};
}

std::string rm_answer(const RmScores& scores) {
  std::string text;
  for (size_t j = 0; j < kNumRmScores; ++j) {
    PROSODIA_CHECK(scores[j] >= kMinRmScore && scores[j] <= kMaxRmScore, "{} is {}", kRmScoreKeys[j], scores[j]);
    text += fmt::format("{}\"{}\":{}", j == 0 ? "{" : ",", kRmScoreKeys[j], scores[j]);
  }
  return text + "}";
}

Result<RmScores> parse_rm_answer(std::string_view text, std::string_view where) {
  PROSODIA_ASSIGN(const nlohmann::json object, parse_json_object(text, where));
  RmScores scores{};
  for (size_t j = 0; j < kNumRmScores; ++j) {
    const auto found = object.find(kRmScoreKeys[j]);
    const bool whole = found != object.end() && found->is_number_integer();
    if (!whole || *found < kMinRmScore || *found > kMaxRmScore) {
      return fail(ErrorCode::kInvalidInput, "{}: \"{}\" is {}, expected an integer from {} to {}", where,
                  kRmScoreKeys[j], found == object.end() ? "missing" : brief(*found), kMinRmScore, kMaxRmScore);
    }
    scores[j] = found->get<int>();
  }
  return scores;
}

}  // namespace prosodia
