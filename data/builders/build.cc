#include "data/builders/build.h"

#include <algorithm>

#include "data/builders/labelled_corpus.h"
#include "data/builders/row_file.h"
#include "data/builders/sets.h"
#include "data/store/fs.h"

namespace prosodia {
namespace {

Status check_options(const BuildOptions& options) {
  for (const auto& [name, value] : {std::pair("cue_noise", options.cue_noise),
                                    {"cue_omission", options.cue_omission},
                                    {"emotion_noise", options.emotion_noise},
                                    {"min_agreement", options.min_agreement}}) {
    if (!(value >= 0 && value <= 1)) return fail(ErrorCode::kUsage, "--{} {}: expected 0 to 1", name, value);
  }
  for (const auto& [name, value] : {std::pair("prosody_rows", options.prosody_rows),
                                    {"prosody_eval_rows", options.prosody_eval_rows},
                                    {"stress_rows", options.stress_rows},
                                    {"comparative_rows", options.comparative_rows},
                                    {"comparative_eval_rows", options.comparative_eval_rows},
                                    {"coldstart_rows", options.coldstart_rows},
                                    {"rm_rows", options.rm_rows},
                                    {"rm_eval_rows", options.rm_eval_rows},
                                    {"jobs", options.jobs}}) {
    if (value < 0) return fail(ErrorCode::kUsage, "--{} {}: expected 0 or more", name, value);
  }
  if (options.output_dir.empty())
    return fail(ErrorCode::kUsage, "--output_dir is missing: the folder for the JSONL sets");
  return {};
}

// One run: the corpus, and what has been written so far.
class Build {
 public:
  Build(const LabelledCorpus& corpus, const BuildOptions& options) : corpus_(corpus), options_(options) {
    report_.notes = corpus.notes();
  }

  Result<BuildReport> run() {
    const BuildOptions& o = options_;
    const int train = static_cast<int>(with_emotion(corpus_, corpus_.train()).size());
    const int test = static_cast<int>(with_emotion(corpus_, corpus_.test()).size());
    using Sink = RowSink;
    PROSODIA_TRY(write("prosody.sft.jsonl", o.prosody_rows, true,
                       [&](const Sink& sink) { return write_prosody_set(corpus_, o, sink); }));
    PROSODIA_TRY(write("prosody.eval.jsonl", o.prosody_eval_rows, false,
                       [&](const Sink& sink) { return write_prosody_eval_set(corpus_, o, sink); }));
    PROSODIA_TRY(write("stress.sft.jsonl", o.stress_rows, false,
                       [&](const Sink& sink) { return write_stress_set(corpus_, o, sink); }));
    PROSODIA_TRY(write_comparative());
    PROSODIA_TRY(write("coldstart.sft.jsonl", o.coldstart_rows, true,
                       [&](const Sink& sink) { return write_coldstart_set(corpus_, o, sink); }));
    if (o.writer != nullptr && !o.dry_run) report_.notes.push_back(o.writer->summary());
    PROSODIA_TRY(write("rl.jsonl", train, true,
                       [&](const Sink& sink) { return write_prompt_set(corpus_, o, corpus_.train(), sink); }));
    PROSODIA_TRY(write("eval.jsonl", test, true,
                       [&](const Sink& sink) { return write_prompt_set(corpus_, o, corpus_.test(), sink); }));
    PROSODIA_TRY(write("rm.sft.jsonl", o.rm_rows, false,
                       [&](const Sink& sink) { return write_reward_model_set(corpus_, o, Part::kTrain, sink); }));
    PROSODIA_TRY(write("rm.eval.jsonl", o.rm_eval_rows, false,
                       [&](const Sink& sink) { return write_reward_model_set(corpus_, o, Part::kEval, sink); }));
    return std::move(report_);
  }

 private:
  Result<RowFile> open_file(std::string_view name) const {
    if (options_.dry_run) return RowFile::counting_only();
    return RowFile::create(options_.output_dir / name);
  }

  RowSink counted(RowFile& file, std::string_view name, int wanted) const {
    return [this, &file, name, wanted](const nlohmann::ordered_json& row) -> Status {
      if (options_.stop_requested && options_.stop_requested()) {
        return fail(ErrorCode::kInterrupted, "asked to stop in {} after {} rows; this file was not written", name,
                    file.rows());
      }
      PROSODIA_TRY(file.put(row));
      if (options_.on_progress) options_.on_progress(name, file.rows(), wanted);
      return {};
    };
  }

  void note_shortfall(std::string_view name, int rows, int wanted) {
    report_.files.emplace_back(name, rows);
    if (rows < wanted)
      report_.notes.push_back(fmt::format("{}: {} of {} rows: the corpus gives no more", name, rows, wanted));
  }

  // `always`: also when it is to have no rows.
  template <class Fill>
  Status write(std::string_view name, int wanted, bool always, Fill fill) {
    if (wanted == 0 && !always) return {};
    PROSODIA_ASSIGN(RowFile file, open_file(name));
    PROSODIA_TRY(fill(counted(file, name, wanted)));
    PROSODIA_TRY(file.commit());
    note_shortfall(name, file.rows(), wanted);
    return {};
  }

  // The clips are there before the rows that name them.
  Status write_comparative() {
    const int train = options_.comparative_rows, eval = options_.comparative_eval_rows;
    if (train == 0 && eval == 0) return {};
    std::unique_ptr<CorpusWriter> audio;
    if (!options_.dry_run) {
      PROSODIA_ASSIGN(audio,
                      CorpusWriter::create(options_.output_dir / kComparativeCorpus, corpus_.reader().sample_rate_hz(),
                                           fmt::format("versions of utterances of {}, changed in pitch, energy or "
                                                       "speed, for comparative questions",
                                                       options_.corpus.filename().string())));
    }
    PROSODIA_ASSIGN(RowFile train_file, open_file("comparative.sft.jsonl"));
    PROSODIA_ASSIGN(RowFile eval_file, open_file("comparative.eval.jsonl"));
    PROSODIA_TRY(write_comparative_set(corpus_, options_, Part::kTrain, audio.get(),
                                       counted(train_file, "comparative.sft.jsonl", train)));
    PROSODIA_TRY(write_comparative_set(corpus_, options_, Part::kEval, audio.get(),
                                       counted(eval_file, "comparative.eval.jsonl", eval)));
    if (audio != nullptr) PROSODIA_TRY(audio->finish());
    if (train > 0) {
      PROSODIA_TRY(train_file.commit());
      note_shortfall("comparative.sft.jsonl", train_file.rows(), train);
    }
    if (eval > 0) {
      PROSODIA_TRY(eval_file.commit());
      note_shortfall("comparative.eval.jsonl", eval_file.rows(), eval);
    }
    return {};
  }

  const LabelledCorpus& corpus_;
  const BuildOptions& options_;
  BuildReport report_;
};

}  // namespace

PhiloxStream set_stream(const BuildOptions& options, SetStream set) {
  return PhiloxStream(mix_seed(options.seed, static_cast<uint64_t>(set)));
}

int BuildReport::rows(std::string_view file) const {
  for (const auto& [name, rows] : files) {
    if (name == file) return rows;
  }
  return 0;
}

Result<BuildReport> build_datasets(const BuildOptions& options) {
  PROSODIA_TRY(check_options(options));
  PROSODIA_ASSIGN(const auto corpus, LabelledCorpus::open(options));
  if (corpus->train().empty()) {
    return fail(ErrorCode::kInvalidInput, "{}: no utterance in split \"{}\"; `prosodia data inspect` lists the splits",
                options.corpus.string(), options.train_split);
  }
  if (!options.dry_run) PROSODIA_TRY(posix_file_system().create_dirs(options.output_dir));
  return Build(*corpus, options).run();
}

}  // namespace prosodia
