#include "orchestrator/cli/command_table.h"

namespace prosodia::cli {
namespace {

constexpr CommandInfo kCommands[] = {
    {"data synth", kDataSynth, "prosodia data synth --out C.h5 [--utterances N --seed S]",
     "speech with controlled prosody over nine emotions, by espeak-ng, into an HDF5 corpus"},
    {"data import", kDataImport, "prosodia data import --format FORMAT --root DIR --out C.h5",
     "the official release of an emotional speech corpus into an HDF5 corpus; rerunning resumes"},
    {"data annotate", kDataAnnotate, "prosodia data annotate --corpus C.h5 [--out D.h5]",
     "prosody of a corpus measured from its audio and calibrated to levels, with stressed words"},
    {"data build", kDataBuild, "prosodia data build --corpus C.h5 --output_dir DIR",
     "training sets (JSONL) from a corpus: prosody, stress and comparative questions, cold start, RL prompts, reward "
     "model, evaluation"},
    {"data inspect", kDataInspect, "prosodia data inspect --corpus C.h5 [--html card.html]",
     "what is in a corpus: counts, prosody levels, agreement of control and measurement, leakage"},
    {"init", kModelInit, "prosodia init --model DIR --dataset F.jsonl,…",
     "a tokenizer trained on the sets and a fresh tiny Qwen2.5-Omni Thinker"},
    {"sft", kSft, "prosodia sft --model DIR --dataset F.jsonl[:WEIGHT],… --output_dir RUN",
     "supervised fine-tuning on assistant turns; rerunning resumes"},
    {"train-rm", kTrainRm,
     "prosodia train-rm --model DIR --dataset rm.sft.jsonl --eval_dataset rm.eval.jsonl --output_dir RM",
     "the reasoning reward model: fine-tuning on graded responses, and its agreement with unseen grades"},
    {"train", kTrain, "prosodia train --model DIR --dataset F.jsonl --output_dir RUN",
     "GRPO-PTR with coordinator, rollout and reward workers and learner ranks; rerunning resumes"},
    {"eval", kEval, "prosodia eval --model DIR --dataset F.jsonl --output_dir DIR",
     "accuracy, recall, F1, confusion, reasoning criteria and faithfulness with intervals"},
    {"infer", kInfer, "prosodia infer --model DIR (--input F.jsonl [--output O.jsonl] | --prompt TEXT [--audio A.wav])",
     "responses for the rows of a file, or for one prompt"},
    {"score", kScore, "prosodia score --model DIR --input F.jsonl [--output O.jsonl]",
     "log-probabilities of the last assistant turn of each row"},
    {"export", kExport, "prosodia export --model DIR|RUN/checkpoints/step-NNNNNN --output_dir DIR",
     "a complete Hugging Face folder from a model or a checkpoint"},
    {"report", kReport, "prosodia report RUN [RUN2 …]",
     "one page of one or several runs: curves, emotions, responses, timeline, configuration", "run"},
    {"watch", kWatch, "prosodia watch RUN | --address HOST:PORT",
     "a run in the terminal: curves, workers, responses; plain lines into a pipe", "run"},
    {"doctor", kDoctor, "prosodia doctor [RUN | --plan --model DIR]",
     "checks this machine, or a run folder; with --plan: the memory a model and configuration will take", "run"},
    {"replay", kReplay, "prosodia replay --model DIR --rollouts RUN --output_dir D",
     "the learner's updates over archived rollouts, without workers; compared bit for bit with the run"},
    {"keygen", kKeygen, "prosodia keygen --output_dir KEYS [--rotate ROLE]",
     "key pairs of the roles and their allow-list, for --keys"},
    {"coordinator", kRole, "prosodia coordinator --config RUN/config.ini",
     "one role of a run: plans, leases, journals, reports"},
    {"learner", kRole, "mpirun -n L prosodia learner --config RUN/config.ini", "one role of a run: GRPO updates"},
    {"rollout", kRole, "prosodia rollout --config RUN/config.ini", "one role of a run: samples responses"},
    {"reward", kRole, "prosodia reward --config RUN/config.ini", "one role of a run: scores responses"},
    {"completion", kCompletion, "prosodia completion bash|zsh",
     "a script for the shell that completes commands, options and their values", "shell"},
    {"reference", kReference, "prosodia reference [--format markdown|man]",
     "every command and option, as Markdown or as a man page"},
};

}  // namespace

std::span<const CommandInfo> command_table() { return kCommands; }

}  // namespace prosodia::cli
