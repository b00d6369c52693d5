#include "orchestrator/cli/options.h"

namespace prosodia::cli {
namespace {

using enum OptionKind;

constexpr uint32_t kRun = kTrain | kRole;
constexpr uint32_t kUpdates = kRun | kReplay;  // what the learner's arithmetic depends on
constexpr uint32_t kTraining = kSft | kUpdates;
constexpr uint32_t kSampling = kRun | kEval | kInfer;
constexpr uint32_t kModels = kTraining | kEval | kInfer | kScore;

constexpr OptionSpec kTable[] = {
    // --- files
    {"config", kText, "", "read options from an INI file with the same names; the command line wins", "Files", ~0u},
    {"model", kText, "", "Hugging Face folder: Qwen2.5-Omni, its Thinker, or Qwen2 (required)", "Files",
     kModels | kModelInit | kDoctor},
    {"model", kText, "", "Hugging Face folder, or a run's checkpoints/step-NNNNNN (required)", "Files", kExport},
    {"base_model", kText, "", "folder with the tensors that --model lacks (vision, talker); default: as recorded there",
     "Files", kExport},
    {"adapter", kText, "", "peft adapter folder to use with --model (which may also name an adapter folder itself)",
     "Files", kModels | kExport},
    {"ref_model", kText, "", "reference model of the KL term; default: --model", "Files", kUpdates},
    {"dataset", kList, "",
     "JSONL file of prompts in ms-swift's form; several for sft, as FILE or FILE:WEIGHT (required)", "Files",
     kSft | kRun | kEval | kModelInit},
    {"output_dir", kText, "", "run folder; running the same command again resumes (required)", "Files",
     kTraining | kEval | kDataBuild},
    {"output_dir", kText, "", "folder to write; new or empty (required)", "Files", kExport},
    {"merge", kFlag, "true", "merge the adapter into the weights; false = write the adapter folder as it is", "Files",
     kExport},
    {"max_shard_size", kText, "5GB", "largest weights file, such as 200MB, 5GB or 4GiB", "Files", kExport},
    {"output_dir", kText, "", "folder for the keys (required)", "Files", kKeygen},
    {"rotate", kText, "", "a new key pair for this role only; its old public key stays allowed", "Files", kKeygen,
     false, 0, 0, "coordinator|learner|rollout|reward"},
    {"input", kText, "", "JSONL file to read (required; infer: or --prompt)", "Files", kInfer | kScore},
    {"output", kText, "", "JSONL file to write; default: stdout", "Files", kInfer | kScore},
    {"prompt", kText, "", "one user turn in place of a file; without --output its text is printed as it is sampled",
     "Prompt", kInfer},
    {"audio", kList, "", "audio of the prompt: F.wav or C.h5#ID, at its <audio> tags, else in front", "Prompt", kInfer},
    {"system", kText, "", "system turn of the prompt; default: \"You are a helpful assistant.\"", "Prompt", kInfer},

    // --- data
    {"out", kText, "", "HDF5 corpus to write (required)", "Data", kDataSynth},
    {"corpus", kText, "", "HDF5 corpus to read (required)", "Data", kDataBuild | kDataInspect},
    {"utterances", kInteger, "4000", "utterances in the training split, [9, 10000000]", "Data", kDataSynth, true, 9,
     1e7},
    {"test_utterances", kInteger, "720", "utterances in the test split, [9, 1000000]", "Data", kDataSynth, true, 9,
     1e6},
    {"jobs", kInteger, "0", "espeak-ng processes at a time; 0 = one a core", "Data", kDataSynth, false, 0, 4096},
    {"prosody_rows", kInteger, "12000", "rows of prosody questions", "Data", kDataBuild, true, 0, 1e8},
    {"coldstart_rows", kInteger, "600", "rows of think/answer cold start", "Data", kDataBuild, true, 0, 1e8},
    {"cue_noise", kReal, "0.12", "share of cue words replaced in the cold start, [0, 1]", "Data", kDataBuild, true, 0,
     1},
    {"cue_omission", kReal, "0.25", "share of cues left out of the cold start, [0, 1]", "Data", kDataBuild, true, 0, 1},
    {"emotion_noise", kReal, "0.10", "share of cold-start answers replaced, [0, 1]", "Data", kDataBuild, true, 0, 1},
    {"prompt_style", kText, "short", "wording of the prompts", "Data", kDataBuild, true, 0, 0, "short|paper"},

    // --- a fresh model
    {"vocab_size", kInteger, "600", "tokens of the byte-level BPE trained on --dataset, [300, 200000]", "Model",
     kModelInit, true, 300, 2e5},
    {"audio_d_model", kInteger, "128", "width of the audio encoder", "Model", kModelInit, true, 8, 8192},
    {"audio_layers", kInteger, "2", "layers of the audio encoder", "Model", kModelInit, true, 1, 256},
    {"audio_heads", kInteger, "4", "attention heads of the audio encoder", "Model", kModelInit, true, 1, 256},
    {"hidden_size", kInteger, "128", "width of the decoder", "Model", kModelInit, true, 8, 65536},
    {"num_hidden_layers", kInteger, "4", "layers of the decoder", "Model", kModelInit, true, 1, 1024},
    {"num_attention_heads", kInteger, "4", "query heads of the decoder", "Model", kModelInit, true, 1, 1024},
    {"num_key_value_heads", kInteger, "2", "key/value heads of the decoder", "Model", kModelInit, true, 1, 1024},
    {"intermediate_size", kInteger, "384", "width of the decoder's MLP", "Model", kModelInit, true, 8, 1e6},

    // --- training
    {"max_steps", kInteger, "100", "optimizer steps, [1, 100000000]", "Training", kTraining, true, 1, 1e8},
    {"learning_rate", kReal, "1e-6", "peak learning rate", "Training", kTraining, true, 0, 10},
    {"lr_scheduler_type", kText, "constant", "shape of the learning rate", "Training", kTraining, true, 0, 0,
     "constant|linear|cosine"},
    {"warmup_ratio", kReal, "0", "share of max_steps with rising learning rate, [0, 1]", "Training", kTraining, true, 0,
     1},
    {"per_device_train_batch_size", kInteger, "32", "conversations in one optimizer step, over all ranks", "Training",
     kSft, true, 1, 1e6},
    {"weight_decay", kReal, "0", "AdamW's decoupled weight decay", "Training", kTraining, true, 0, 1},
    {"adam_beta1", kReal, "0.9", "AdamW beta1", "Training", kTraining, true, 0, 1},
    {"adam_beta2", kReal, "0.999", "AdamW beta2", "Training", kTraining, true, 0, 1},
    {"adam_epsilon", kReal, "1e-8", "AdamW epsilon", "Training", kTraining, true, 0, 1},
    {"max_grad_norm", kReal, "1.0", "gradient clipping by global norm; 0 = off", "Training", kTraining, true, 0, 1e9},
    {"freeze", kList, "",
     "what does not train: audio_tower, projector, decoder, embeddings, lm_head, norm, layers.N-M, "
     "audio_tower.layers.N-M",
     "Training", kTraining | kDoctor, true},
    {"token_budget", kInteger, "8192", "tokens of one packed micro-batch (memory; the gradient does not depend on it)",
     "Training", kTraining | kDoctor, true, 16, 1e8},
    {"save_steps", kInteger, "50", "optimizer steps between checkpoints", "Training", kTraining, false, 1, 1e8},
    {"save_total_limit", kInteger, "2", "checkpoints kept, [2, 1000]", "Training", kTraining, false, 2, 1000},
    {"logging_steps", kInteger, "10", "optimizer steps between progress lines of sft", "Training", kSft, false, 1, 1e6},
    {"seed", kInteger, "42", "seed of everything random", "Training",
     kTraining | kEval | kInfer | kDataSynth | kDataBuild | kModelInit, true, 0, 9e18},

    // --- LoRA
    {"use_peft", kFlag, "false", "train a low-rank adapter (LoRA): --adapter's, or a fresh one", "LoRA", kTraining,
     true},
    {"lora_r", kInteger, "16", "rank of the adapter, [1, 4096]", "LoRA", kTraining, true, 1, 4096},
    {"lora_alpha", kReal, "32", "scaling is lora_alpha / lora_r", "LoRA", kTraining, true, 1e-6, 1e6},
    {"use_rslora", kFlag, "false", "scaling is lora_alpha / sqrt(lora_r)", "LoRA", kTraining, true},
    {"lora_dropout", kReal, "0", "only 0: sampling and learning must compute the same", "LoRA", kTraining, true, 0, 1},
    {"lora_target_modules", kList, "all-linear",
     "all-linear (the decoder's) or q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; audio_tower.NAME "
     "for "
     "the tower's",
     "LoRA", kTraining, true},
    {"lora_modules_to_save", kList, "", "parts that train whole beside it: projector, embeddings, lm_head", "LoRA",
     kTraining, true},

    // --- GRPO
    {"prompts_per_step", kInteger, "16", "prompts (groups) in one step, [1, 65536]", "GRPO", kUpdates | kDoctor, true,
     1, 65536},
    {"num_generations", kInteger, "8", "responses per prompt (K), [1, 1024]", "GRPO", kUpdates | kInfer | kDoctor, true,
     1, 1024},
    {"beta", kReal, "0.04", "weight of the KL term (k3 against --ref_model)", "GRPO", kUpdates | kDoctor, true, 0, 100},
    {"epsilon", kReal, "0.2", "clip range of the probability ratio", "GRPO", kUpdates, true, 0, 10},
    {"epsilon_high", kReal, "0", "upper clip range; 0 = epsilon", "GRPO", kUpdates, true, 0, 10},
    {"delta", kReal, "0", "two-sided clip of the ratio (dual clip); 0 = off", "GRPO", kUpdates, true, 0, 1e6},
    {"loss_type", kText, "grpo", "aggregation of the token losses", "GRPO", kUpdates, true, 0, 0,
     "grpo|dapo|bnpo|dr_grpo"},
    {"importance_sampling_level", kText, "token", "ratio per token or per sequence (GSPO)", "GRPO", kUpdates, true, 0,
     0, "token|sequence"},
    {"num_iterations", kInteger, "1", "updates per batch", "GRPO", kUpdates, true, 1, 64},
    {"scale_rewards", kText, "group", "what the advantage is divided by", "GRPO", kUpdates, true, 0, 0,
     "group|batch|none"},
    {"lag", kInteger, "0", "step t trains on groups sampled by policy max(0, t-lag); 0 = on-policy", "GRPO",
     kUpdates | kDoctor, true, 0, 64},

    // --- sampling
    {"temperature", kReal, "1.0", "sampling temperature", "Sampling", kSampling | kScore | kReplay, true, 1e-3, 100},
    {"top_p", kReal, "1.0", "nucleus sampling; 1 = off", "Sampling", kSampling, true, 1e-6, 1},
    {"top_k", kInteger, "0", "sample among the k likeliest; 0 = off", "Sampling", kSampling, true, 0, 1e6},
    {"greedy", kFlag, "false", "take the likeliest token", "Sampling", kInfer, true},
    {"max_completion_length", kInteger, "96", "new tokens at most, [1, 32768]", "Sampling",
     kSampling | kReplay | kDoctor, true, 1, 32768},
    {"max_rows", kInteger, "64", "responses decoded at once (speed; results do not depend on it)", "Sampling",
     kSampling | kDoctor, false, 1, 4096},

    // --- rewards
    {"format_weight", kReal, "0.3", "weight of R_f (think/answer format)", "Rewards", kRun, true, 0, 100},
    {"accuracy_weight", kReal, "1.0", "weight of R_o (right emotion)", "Rewards", kRun, true, 0, 100},
    {"reasoning_weight", kReal, "0.5", "weight of tau * R_t (reasoning); 0 = plain GRPO", "Rewards", kRun, true, 0,
     100},
    {"criteria_weights", kList, "0.25,0.25,0.25,0.25",
     "weights of factual alignment, interpretative quality, caption completeness, fluency; sum 1", "Rewards", kRun,
     true},
    {"reasoning_scorer", kText, "acoustic", "what scores the reasoning", "Rewards", kRun, true, 0, 0, "acoustic"},
    {"trust", kFlag, "true", "weigh R_t by tau; false = tau 1", "Rewards", kRun, true},
    {"trust_all_correct", kReal, "1", "tau of a group whose answers are all right, [0, 1]", "Rewards", kRun, true, 0,
     1},
    {"trust_all_wrong", kReal, "0", "tau of a group whose answers are all wrong, [0, 1]", "Rewards", kRun, true, 0, 1},
    {"progressive", kFlag, "true", "bring R_t in when accuracy has stabilised; false = from the first step", "Rewards",
     kRun, true},
    {"gate_window", kInteger, "20", "steps in each of the two windows compared (W)", "Rewards", kRun, true, 1, 1e6},
    {"gate_delta", kReal, "0.02", "accuracy counts as stable when the windows' means differ by less", "Rewards", kRun,
     true, 0, 1},
    {"gate_min_steps", kInteger, "0", "the gate stays shut for so many steps", "Rewards", kRun, true, 0, 1e8},
    {"gate_min_accuracy", kReal, "0", "the gate stays shut below this accuracy, [0, 1]", "Rewards", kRun, true, 0, 1},
    {"gate_start_step", kInteger, "-1", "open the gate at this step whatever the accuracy; -1 = by accuracy", "Rewards",
     kRun, true, -1, 1e8},
    {"gate_ramp_steps", kInteger, "0", "steps from shut to fully open; 0 = a switch", "Rewards", kRun, true, 0, 1e8},
    {"reward_timeout_s", kReal, "60", "seconds a group's reasoning scores may take", "Rewards", kRun, false, 0.01,
     86400},

    // --- processes
    {"layout", kText, "learner=2,rollout=2,reward=1", "processes per role", "Processes", kRun | kDoctor},
    {"nproc_per_node", kInteger, "1", "learner ranks, started by mpirun; replay: as many as the run had", "Processes",
     kSft | kReplay, true, 1, 4096},
    {"num_threads", kInteger, "1", "compute threads of each process", "Processes", kModels, false, 1, 1024},
    {"device", kText, "auto", "where tensors live", "Processes", kModels, true, 0, 0, "auto|cpu|cuda"},
    {"dtype", kText, "float32", "precision of the weights in use", "Processes", kModels | kDoctor, true, 0, 0,
     "float32|bfloat16"},
    {"dtype", kText, "auto", "precision of the weights written; auto = as stored", "Files", kExport, true, 0, 0,
     "auto|float32|bfloat16"},
    {"deterministic", kFlag, "true",
     "same input, same bits: MKL's strict mode on CPU; on CUDA torch's deterministic algorithms, slower", "Processes",
     kModels, true},
    {"keys", kText, "",
     "folder with this role's key file and the allow-list (prosodia keygen): encrypts and authenticates every "
     "connection",
     "Processes", kRun},
    {"bind", kText, "127.0.0.1", "address the coordinator and the weight server listen on", "Processes", kRun},
    {"allow_plaintext_network", kFlag, "false",
     "let --bind name an address beyond loopback, without encryption: only on a trusted network", "Processes", kRun},
    {"port", kInteger, "0", "coordinator's port; 0 = any free one (written to RUN/coordinator.endpoint)", "Processes",
     kRun, false, 0, 65535},
    {"connect", kText, "", "coordinator's endpoint, tcp://host:port; default: read RUN/coordinator.endpoint",
     "Processes", kRole},
    {"name", kText, "", "name of this process in logs; default: role and pid", "Processes", kRole},
    {"heartbeat_ms", kInteger, "1000", "milliseconds between heartbeats; a peer is dead after three", "Processes", kRun,
     false, 10, 600000},
    {"lease_timeout_s", kReal, "120", "seconds without progress after which a group goes to another worker",
     "Processes", kRun, false, 0.05, 86400},
    {"collective_timeout_s", kReal, "600",
     "seconds learner ranks wait for each other before their group ends and starts again", "Processes", kRun, false,
     0.05, 86400},
    {"max_attempts", kInteger, "5", "tries at one group before the run stops", "Processes", kRun, false, 1, 1000},
    {"max_restarts", kInteger, "20", "restarts of each failing process before the run stops", "Processes", kRun, false,
     0, 1e6},
    {"restart_delay_max_s", kReal, "10",
     "seconds a process that keeps failing waits before it is started again, at most", "Processes", kRun, false, 0.01,
     3600},
    {"archive_steps", kInteger, "20", "steps in one archived rollout segment", "Processes", kRun, false, 1, 1e6},

    // --- what people watch
    {"baseline", kText, "", "eval.json of an earlier eval, for a paired comparison", "Output", kEval},
    {"max_samples", kInteger, "0", "rows used at most; 0 = all", "Output", kEval, true, 0, 1e9},
    {"bootstrap_samples", kInteger, "2000", "resamples behind the 95 % intervals", "Output", kEval, true, 10, 1e6},
    {"dry_run", kFlag, "false", "print the resolved configuration and the plan, then stop", "Output", kSft | kRun},
    {"run", kText, "", "run folder", "Files", kReport | kDoctor},
    {"rollouts", kText, "", "archived rollouts: RUN, RUN/rollouts or one .h5 file (required)", "Files", kReplay},
    {"resume_from_checkpoint", kText, "", "checkpoint of the run to begin at; default: --model, step 0", "Files",
     kReplay},

    // --- doctor --plan
    {"plan", kFlag, "false", "print the memory that --model will take under these options, from config.json alone",
     "Plan", kDoctor},
    {"sharding", kText, "optimizer", "what is divided among the learner ranks", "Plan", kDoctor, false, 0, 0,
     "none|optimizer|full"},
    {"use_peft", kFlag, "false", "train LoRA adapters on the decoder's linear layers instead of all weights", "Plan",
     kDoctor},
    {"lora_r", kInteger, "16", "rank of the LoRA adapters, [1, 1024]", "Plan", kDoctor, false, 1, 1024},
    {"gradient_checkpointing", kFlag, "false", "keep a layer's input only and run it again in backward", "Plan",
     kDoctor},
    {"prompt_tokens", kInteger, "400", "tokens of one prompt, its audio included (25 a second)", "Plan", kDoctor, false,
     1, 1e6},
    {"audio_seconds", kReal, "8", "length of one prompt's clip, seconds", "Plan", kDoctor, false, 0, 300},
    {"devices", kInteger, "0", "GPUs that learner ranks and rollout workers are spread over; 0 = host memory only",
     "Plan", kDoctor, false, 0, 65536},
    {"device_memory_gb", kReal, "80", "memory of one GPU, GB of 1e9 bytes", "Plan", kDoctor, false, 1, 1e4},

    // --- recorded by train, so that a folder is not resumed with other input; nobody needs to give them
    {"dataset_digest", kText, "", "digest of the dataset's bytes", "Recorded by train", kRun, true},
    {"model_digest", kText, "", "digest of the model folder and of --ref_model", "Recorded by train", kRun, true},
};

}  // namespace

std::span<const OptionSpec> option_table() { return kTable; }

}  // namespace prosodia::cli
