#include "orchestrator/cli/commands/command.h"

namespace prosodia::cli {
namespace {

constexpr Command kCommands[] = {
    {"data synth", kDataSynth, "prosodia data synth --out C.h5 [--utterances N --seed S]",
     "speech with controlled prosody over nine emotions, by espeak-ng, into an HDF5 corpus", run_data_synth},
    {"data import", kDataImport, "prosodia data import --format FORMAT --root DIR --out C.h5",
     "the official release of an emotional speech corpus into an HDF5 corpus; rerunning resumes", run_data_import},
    {"data annotate", kDataAnnotate, "prosodia data annotate --corpus C.h5 [--out D.h5]",
     "prosody of a corpus measured from its audio and calibrated to levels, with stressed words", run_data_annotate},
    {"data build", kDataBuild, "prosodia data build --corpus C.h5 --output_dir DIR",
     "training sets (JSONL) from a corpus: prosody, stress and comparative questions, cold start, RL prompts, reward "
     "model, evaluation",
     run_data_build},
    {"data inspect", kDataInspect, "prosodia data inspect --corpus C.h5 [--html card.html]",
     "what is in a corpus: counts, prosody levels, agreement of control and measurement, leakage", run_data_inspect},
    {"init", kModelInit, "prosodia init --model DIR --dataset F.jsonl,…",
     "a tokenizer trained on the sets and a fresh tiny Qwen2.5-Omni Thinker", run_init},
    {"sft", kSft, "prosodia sft --model DIR --dataset F.jsonl[:WEIGHT],… --output_dir RUN",
     "supervised fine-tuning on assistant turns; rerunning resumes", run_sft},
    {"train-rm", kTrainRm,
     "prosodia train-rm --model DIR --dataset rm.sft.jsonl --eval_dataset rm.eval.jsonl --output_dir RM",
     "the reasoning reward model: fine-tuning on graded responses, and its agreement with unseen grades", run_train_rm},
    {"train", kTrain, "prosodia train --model DIR --dataset F.jsonl --output_dir RUN",
     "GRPO-PTR with coordinator, rollout and reward workers and learner ranks; rerunning resumes", run_train},
    {"eval", kEval, "prosodia eval --model DIR --dataset F.jsonl --output_dir DIR",
     "accuracy, recall, F1, confusion, reasoning criteria and faithfulness with intervals", run_eval},
    {"infer", kInfer, "prosodia infer --model DIR (--input F.jsonl [--output O.jsonl] | --prompt TEXT [--audio A.wav])",
     "responses for the rows of a file, or for one prompt", run_infer},
    {"score", kScore, "prosodia score --model DIR --input F.jsonl [--output O.jsonl]",
     "log-probabilities of the last assistant turn of each row", run_score},
    {"export", kExport, "prosodia export --model DIR|RUN/checkpoints/step-NNNNNN --output_dir DIR",
     "a complete Hugging Face folder from a model or a checkpoint", run_export},
    {"report", kReport, "prosodia report RUN [RUN2 …]",
     "one page of one or several runs: curves, emotions, responses, timeline, configuration", run_report, "run"},
    {"watch", kWatch, "prosodia watch RUN | --address HOST:PORT",
     "a run in the terminal: curves, workers, responses; plain lines into a pipe", run_watch, "run"},
    {"doctor", kDoctor, "prosodia doctor [RUN | --plan --model DIR]",
     "checks this machine, or a run folder; with --plan: the memory a model and configuration will take", run_doctor,
     "run"},
    {"replay", kReplay, "prosodia replay --model DIR --rollouts RUN --output_dir D",
     "the learner's updates over archived rollouts, without workers; compared bit for bit with the run", run_replay},
    {"keygen", kKeygen, "prosodia keygen --output_dir KEYS [--rotate ROLE]",
     "key pairs of the roles and their allow-list, for --keys", run_keygen},
    {"coordinator", kRole, "prosodia coordinator --config RUN/config.ini",
     "one role of a run: plans, leases, journals, reports", run_coordinator_role},
    {"learner", kRole, "mpirun -n L prosodia learner --config RUN/config.ini", "one role of a run: GRPO updates",
     run_learner_role},
    {"rollout", kRole, "prosodia rollout --config RUN/config.ini", "one role of a run: samples responses",
     run_rollout_role},
    {"reward", kRole, "prosodia reward --config RUN/config.ini", "one role of a run: scores responses",
     run_reward_role},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace prosodia::cli
