// rm.sft.jsonl and rm.eval.jsonl: reasoning spoilt to prescribed grades.
#include "data/builders/disfluency.h"
#include "data/builders/prompts.h"
#include "data/builders/rm_plan.h"
#include "data/builders/sets.h"
#include "data/builders/utterance_order.h"
#include "data/corpus/rm_row.h"
#include "data/prosody/cue_plausibility.h"

namespace prosodia {
namespace {

nlohmann::ordered_json graded_row(const LabelledCorpus& corpus, const BuildOptions& options, size_t index,
                                  GradedPlan graded, PhiloxStream& stream) {
  const std::string response = respond_with_fluency(plan_sentences(graded.plan, options.grammar, stream), graded.answer,
                                                    graded.scores[3], stream, graded.degradations);
  const std::string question = rm_question(emotion_prompt(options.prompt_style));
  std::vector<Message> messages =
      rm_messages(options.prompt_style, {.num_audios = 1, .question = question, .response = response});
  messages.push_back({"assistant", rm_answer(graded.scores)});
  nlohmann::ordered_json row =
      corpus.row(index, messages, {fmt::format("grammar:{}", name(options.grammar)), graded.degradations});
  row.erase("solution");  // the grades are what is asked for
  nlohmann::ordered_json scores;
  for (size_t j = 0; j < kNumRmScores; ++j) scores[std::string(kRmScoreKeys[j])] = graded.scores[j];
  row["scores"] = std::move(scores);
  row["answer"] = graded.answer;
  row["answer_is_right"] = graded.is_right;
  row["degradations"] = graded.degradations;
  row["response"] = response;
  return row;
}

// Emotions of the table only: nothing is known about what would support another.
std::vector<size_t> gradable(const LabelledCorpus& corpus, const std::vector<size_t>& pool) {
  std::vector<size_t> found;
  for (size_t index : pool) {
    if (emotion_from_name(corpus.info(index).emotion)) found.push_back(index);
  }
  return found;
}

}  // namespace

// Right and wrong answers take turns. Utterances of which too little is measured are passed over.
Status write_reward_model_set(const LabelledCorpus& corpus, const BuildOptions& options, Part part,
                              const RowSink& sink) {
  const bool train = part == Part::kTrain;
  const std::vector<size_t> pool = gradable(corpus, train ? corpus.train() : corpus.test());
  if (pool.empty()) return {};
  PhiloxStream stream = set_stream(options, train ? SetStream::kRewardModel : SetStream::kRewardModelEval);
  UtteranceOrder order(corpus, pool, options.balance);
  GradeBalance balance;
  const int wanted = train ? options.rm_rows : options.rm_eval_rows;
  size_t passed_over = 0;  // in a row
  for (int n = 0; n < wanted && passed_over < pool.size();) {
    const size_t index = order.next(stream);
    const UtteranceInfo& info = corpus.info(index);
    const GradedUtterance utterance{corpus.truth(index), info.emotion, info.transcript};
    auto graded = plan_graded(utterance, options.grammar, n % 2 == 0, balance, stream);
    if (!graded) {
      ++passed_over;
      continue;
    }
    passed_over = 0;
    PROSODIA_TRY(sink(graded_row(corpus, options, index, std::move(*graded), stream)));
    ++n;
  }
  return {};
}

}  // namespace prosodia
