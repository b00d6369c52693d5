// coldstart.sft.jsonl: think/answer responses.
#include <algorithm>

#include "data/base/check.h"
#include "data/builders/prompts.h"
#include "data/builders/reasoning_text.h"
#include "data/builders/sets.h"
#include "data/builders/utterance_order.h"
#include "data/builders/varied_grammar.h"
#include "data/corpus/emotions.h"

namespace prosodia {
namespace {

constexpr size_t kWriterBatch = 64;  // requests a writer gets at a time

struct Planned {
  size_t index = 0;
  std::vector<std::string> changed;
};

// Replaces some cues by another level of their attribute and drops some; one of those that were there stays.
ProsodyLevels noisy_cues(const ProsodyLevels& levels, const BuildOptions& options, PhiloxStream& stream,
                         std::vector<std::string>& changed) {
  ProsodyLevels cues;
  std::vector<Attribute> dropped;
  bool any = false;
  for (Attribute attribute : kAcousticAttributes) {
    if (levels[attribute].empty()) continue;
    cues[attribute] = levels[attribute];
    // An inaudible phonation is not invented: only a whisper is mentioned, and it is mentioned as what it is.
    if (attribute == Attribute::kVoice) continue;
    if (stream.next_unit() < options.cue_noise) {
      const auto names = level_names(attribute);
      const auto at = std::find(names.begin(), names.end(), levels[attribute]) - names.begin();
      const size_t step = 1 + stream.next_below(static_cast<uint32_t>(names.size() - 1));
      cues[attribute] = names[(static_cast<size_t>(at) + step) % names.size()];
    }
    if (stream.next_unit() < options.cue_omission) {
      dropped.push_back(attribute);
    } else {
      any = true;
    }
  }
  if (!any && !dropped.empty()) {
    dropped.erase(dropped.begin() + stream.next_below(static_cast<uint32_t>(dropped.size())));
  }
  for (Attribute attribute : dropped) cues[attribute].clear();
  for (Attribute attribute : kAcousticAttributes) {
    if (cues[attribute] == levels[attribute]) continue;
    changed.push_back(cues[attribute].empty()
                          ? fmt::format("{}: left out", attribute_name(attribute))
                          : fmt::format("{}: {} -> {}", attribute_name(attribute), levels[attribute], cues[attribute]));
  }
  return cues;
}

std::string noisy_emotion(const std::string& emotion, const BuildOptions& options, PhiloxStream& stream) {
  const bool replace = stream.next_unit() < options.emotion_noise;
  const size_t rank = emotion_index(emotion).value_or(kEmotionCount);
  const size_t step = 1 + stream.next_below(kEmotionCount - 1);
  if (!replace || rank == kEmotionCount) return emotion;
  return std::string(emotion_profiles()[(rank + step) % kEmotionCount].name);
}

// What is to be written about an utterance, and the grammar's own text of it. Gender, age and stress are named by the
// varied grammar only, and as they are: no noise is asked for there.
ReasoningRequest plan_request(const LabelledCorpus& corpus, const BuildOptions& options, PhiloxStream& stream,
                              Planned& plan) {
  const UtteranceInfo& info = corpus.info(plan.index);
  const ProsodyLevels& truth = corpus.truth(plan.index);
  ReasoningRequest request;
  request.id = info.id;
  request.transcript = info.transcript;
  request.language = info.language;
  request.true_emotion = info.emotion;
  request.draft_writer = fmt::format("grammar:{}", name(options.grammar));
  request.cues = noisy_cues(truth, options, stream, plan.changed);
  request.emotion = noisy_emotion(info.emotion, options, stream);
  if (options.grammar == Grammar::kSmall) {
    request.draft = small_reasoning(request.cues, request.emotion, stream);
    return request;
  }
  for (Attribute attribute : {Attribute::kStress, Attribute::kGender, Attribute::kAge}) {
    if (truth[attribute].empty()) continue;
    if (stream.next_unit() < options.cue_omission) {
      plan.changed.push_back(fmt::format("{}: left out", attribute_name(attribute)));
    } else {
      request.cues[attribute] = truth[attribute];
    }
  }
  request.draft = varied_reasoning(request.cues, request.emotion, stream);
  return request;
}

Status write_batch(const LabelledCorpus& corpus, const BuildOptions& options, const std::vector<Planned>& planned,
                   const std::vector<ReasoningRequest>& requests, const RowSink& sink) {
  std::vector<WrittenReasoning> texts;
  if (options.writer != nullptr) {
    PROSODIA_ASSIGN(texts, options.writer->write(requests));
    PROSODIA_CHECK(texts.size() == requests.size(), "{} texts for {} requests", texts.size(), requests.size());
  } else {
    for (const ReasoningRequest& request : requests) texts.push_back(WrittenReasoning::draft_of(request));
  }
  for (size_t i = 0; i < planned.size(); ++i) {
    RowSource source{texts[i].writer, texts[i].is_written_from_cues ? planned[i].changed : std::vector<std::string>()};
    if (texts[i].emotion != requests[i].true_emotion) {
      source.changed.push_back(fmt::format("emotion: {} -> {}", requests[i].true_emotion, texts[i].emotion));
    }
    std::vector<Message> messages = emotion_prompt(options.prompt_style);
    messages.push_back({"assistant", think_and_answer_text(texts[i].text, texts[i].emotion)});
    PROSODIA_TRY(sink(corpus.row(planned[i].index, messages, source)));
  }
  return {};
}

}  // namespace

Status write_coldstart_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink) {
  const std::vector<size_t> pool = with_emotion(corpus, corpus.train());
  if (pool.empty()) return {};
  PhiloxStream stream = set_stream(options, SetStream::kColdstart);
  UtteranceOrder order(corpus, pool, options.balance);
  std::vector<Planned> planned;
  std::vector<ReasoningRequest> requests;
  for (int n = 0; n < options.coldstart_rows; ++n) {
    planned.push_back({order.next(stream), {}});
    requests.push_back(plan_request(corpus, options, stream, planned.back()));
    if (planned.size() < kWriterBatch && n + 1 < options.coldstart_rows) continue;
    PROSODIA_TRY(write_batch(corpus, options, planned, requests, sink));
    planned.clear();
    requests.clear();
  }
  return {};
}

}  // namespace prosodia
