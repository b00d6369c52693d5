#include "workers/reward/model_scorer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/reward_model/fixture.h"

namespace prosodia {
namespace {

using namespace testing_support;
using nlohmann::json;
using testing::HasSubstr;

class ModelScorerTest : public RewardModelTest {
 protected:
  json dataset_row(const std::string& audio) const {
    return {{"messages",
             {{{"role", "system"}, {"content", "Think."}}, {{"role", "user"}, {"content", "<audio>Which emotion?"}}}},
            {"audios", {(dir_ / audio).string()}},
            {"solution", "happy"}};
  }
  ModelScorerOptions options() const {
    return {.model_dir = dir_.path(), .model = {}, .grader = {.min_digit_mass = 0}};
  }
};

TEST_F(ModelScorerTest, AsksInTheWordsOfTheTrainingRows) {
  ok(model_->save(dir_.path()));
  ok(write_rm_card(dir_.path(), {.prompt_style = PromptStyle::kShort}));
  const auto scorer = value_of(ModelScorer::open(options()));
  EXPECT_EQ(scorer->scorer_name(), "reward_model");
  const json row = dataset_row("a.wav");
  const auto scores = scorer->score({row, kResponses}, {});
  ASSERT_EQ(scores.size(), kResponses.size());
  RmGrader grader(*model_, slots_, {.min_digit_mass = 0});
  for (size_t i = 0; i < kResponses.size(); ++i) {
    const EncodedPrompt asked = prompt(kResponses[i]);
    const EncodedPrompt* pointer = &asked;
    const auto expected = grader.grade(std::span(&pointer, 1), {});
    ASSERT_EQ(scores[i].status, ScoreStatus::kValue) << scores[i].detail;
    EXPECT_EQ(scores[i].criteria, expected[0].criteria) << "response " << i;
  }
}

TEST_F(ModelScorerTest, AudioCountsAndTheOtherClipGivesOtherGrades) {
  const auto scorer = value_of(ModelScorer::make(model_, processor_, PromptStyle::kShort, options().grader));
  const json a = dataset_row("a.wav"), b = dataset_row("b.wav");
  const std::vector<std::string> one = {kResponses[0]};
  const auto first = scorer->score({a, one}, {}), second = scorer->score({b, one}, {}),
             again = scorer->score({a, one}, {});
  EXPECT_NE(first[0].criteria, second[0].criteria);
  EXPECT_EQ(first[0].criteria, again[0].criteria) << "the cached clip is the same clip";
}

TEST_F(ModelScorerTest, WithoutACardItIsAskedInThePapersWords) {
  const auto untrained = value_of(ModelScorer::open(options()));
  const auto model = value_of(load_model(dir_.path()));  // as on disk, not roughened
  const auto paper = value_of(ModelScorer::make(model, processor_, PromptStyle::kPaper, options().grader));
  const auto words = value_of(ModelScorer::make(model, processor_, PromptStyle::kShort, options().grader));
  const json row = dataset_row("a.wav");
  EXPECT_EQ(untrained->score({row, kResponses}, {})[0].criteria, paper->score({row, kResponses}, {})[0].criteria);
  EXPECT_NE(untrained->score({row, kResponses}, {})[0].criteria, words->score({row, kResponses}, {})[0].criteria);
}

TEST_F(ModelScorerTest, ARowThatCannotBeReadIsAnErrorWithItsReason) {
  const auto scorer = value_of(ModelScorer::make(model_, processor_, PromptStyle::kShort, options().grader));
  const auto detail = [&](const json& row) {
    const auto scores = scorer->score({row, kResponses}, {});
    EXPECT_EQ(scores.size(), kResponses.size());
    for (const ReasoningScore& score : scores) EXPECT_EQ(score.status, ScoreStatus::kError);
    return scores[0].detail;
  };
  EXPECT_THAT(detail(dataset_row("gone.wav")), HasSubstr("gone.wav"));
  EXPECT_THAT(detail({{"messages", 5}}), HasSubstr("messages"));
}

TEST_F(ModelScorerTest, ACardOfAnotherWordingIsRefused) {
  const auto refused = [&](const std::function<void(json&)>& change) {
    json card = json::parse(rm_card_json({.prompt_style = PromptStyle::kShort}));
    change(card);
    std::ofstream(dir_ / kRmCardFile) << card.dump();
    const auto opened = ModelScorer::open(options());
    return opened ? std::string("accepted") : opened.error().message;
  };
  EXPECT_EQ(refused([](json&) {}), "accepted");
  EXPECT_THAT(refused([](json& card) { card["instruction"] = "Judge!"; }), HasSubstr("\"instruction\" is \"Judge!\""));
  EXPECT_THAT(refused([](json& card) { card["criteria"].erase(0); }), HasSubstr("criteria"));
  EXPECT_THAT(refused([](json& card) { card.erase("answer"); }), HasSubstr("\"answer\" is missing"));
  EXPECT_THAT(refused([](json& card) { card["prompt_style"] = "long"; }), HasSubstr("expected short or paper"));
  EXPECT_THAT(refused([](json& card) { card["format"] = 2; }), HasSubstr("train-rm"));
}

}  // namespace
}  // namespace prosodia
