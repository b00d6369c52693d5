#include "data/corpus/rm_card.h"

#include "data/base/json.h"
#include "data/corpus/rm_row.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"

namespace prosodia {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

// The answer with N for every grade.
std::string answer_form() {
  std::string text = rm_answer({1, 1, 1, 1});
  std::ranges::replace(text, '1', 'N');
  return text;
}

// What decides how the model is asked; a model that learned another one must be trained again.
json wording(PromptStyle style) {
  return {{"format", kFormat},
          {"criteria", kRmScoreKeys},
          {"answer", answer_form()},
          {"prompt_style", name(style)},
          {"instruction", rm_messages(style, {})[0].content}};
}

}  // namespace

std::string rm_card_json(const RmCard& card) {
  json object = wording(card.prompt_style);
  object["dataset_digest"] = card.dataset_digest;
  object["loss"] = card.loss;
  object["steps"] = card.steps;
  return object.dump(1) + "\n";
}

Result<RmCard> parse_rm_card(std::string_view text, std::string_view where) {
  PROSODIA_ASSIGN(const json object, parse_json_object(text, where));
  RmCard card;
  const std::string style = text_member(object, "prompt_style");
  if (style == name(PromptStyle::kShort))
    card.prompt_style = PromptStyle::kShort;
  else if (style != name(PromptStyle::kPaper))
    return fail(ErrorCode::kInvalidInput, "{}: \"prompt_style\" is '{}', expected short or paper", where, style);
  const json expected = wording(card.prompt_style);
  for (const auto& [key, value] : expected.items()) {
    const auto found = object.find(key);
    if (found != object.end() && *found == value) continue;
    return fail(ErrorCode::kInvalidInput,
                "{}: \"{}\" is {}, this version asks with {}. Next: train the reward model again (prosodia train-rm)",
                where, key, found == object.end() ? "missing" : brief(*found), brief(value));
  }
  card.dataset_digest = text_member(object, "dataset_digest");
  card.loss = text_member(object, "loss");
  if (const auto steps = object.find("steps"); steps != object.end() && steps->is_number_integer())
    card.steps = steps->get<int64_t>();
  return card;
}

Result<std::optional<RmCard>> read_rm_card(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / kRmCardFile;
  PROSODIA_ASSIGN(const bool there, posix_file_system().exists(path));
  if (!there) return std::nullopt;
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  PROSODIA_ASSIGN(RmCard card, parse_rm_card(text, path.string()));
  return card;
}

Status write_rm_card(const std::filesystem::path& model_dir, const RmCard& card) {
  const std::string text = rm_card_json(card);
  return write_file_atomic(posix_file_system(), model_dir / kRmCardFile, as_byte_span(text));
}

}  // namespace prosodia
