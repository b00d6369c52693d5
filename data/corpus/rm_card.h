// prosodia_reward_model.json: what `train-rm` writes beside config.json to say that a folder is a reward model, and how
// it is to be asked. The scorer reads it: a model that was trained on another wording must not be asked in this one.
//
//   {"format":1,"criteria":["factual_alignment",…],"answer":"{\"factual_alignment\":N,…}","prompt_style":"short",
//    "instruction":"Grade the response.","dataset_digest":"…","loss":"digits","steps":300}
//
// Pure functions but for the two that name a file. Failure rule: kInvalidInput naming the file, the key and what to do.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/base/status.h"
#include "data/corpus/prompt_style.h"

namespace prosodia {

inline constexpr const char* kRmCardFile = "prosodia_reward_model.json";

struct RmCard {
  PromptStyle prompt_style = PromptStyle::kPaper;
  std::string dataset_digest;  // of the training rows, hex; for people
  std::string loss;            // --rm_loss; for people
  int64_t steps = 0;           // for people
  friend bool operator==(const RmCard&, const RmCard&) = default;
};

std::string rm_card_json(const RmCard& card);
// Refuses criteria, an answer or an instruction other than this program's.
Result<RmCard> parse_rm_card(std::string_view text, std::string_view where);

// Of a model or adapter folder; nullopt when there is none.
Result<std::optional<RmCard>> read_rm_card(const std::filesystem::path& model_dir);
Status write_rm_card(const std::filesystem::path& model_dir, const RmCard& card);  // durable and atomic

}  // namespace prosodia
