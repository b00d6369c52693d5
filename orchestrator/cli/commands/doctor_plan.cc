// prosodia doctor --plan: the memory that a model and configuration will take, from config.json alone.
#include "orchestrator/cli/commands/doctor_plan.h"

#include <fmt/core.h>

#include <filesystem>

#include "data/store/model_tensors.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/launch/layout.h"
#include "workers/model/model.h"
#include "workers/plan/memory_plan.h"

namespace prosodia::cli {
namespace {

constexpr double kGigabyte = 1e9;
// Code, LibTorch, MPI and their tables: measured on a process with a model of a few hundred kilobytes.
constexpr uint64_t kProgramBytes = 175'000'000;

struct PlannedProcess {
  ProcessMemory memory;
  int count = 1;
};

std::string gigabytes(uint64_t bytes) { return fmt::format("{:.3f} GB", static_cast<double>(bytes) / kGigabyte); }

// Whether lm_head is stored: from the weights where they are, otherwise from the config.
bool has_own_head(const ModelConfig& config, const std::string& model_dir) {
  const auto tensors = open_model_tensors(model_dir);
  if (tensors) return tensors->find(config.tensor_prefix() + "lm_head.weight") != nullptr;
  return !config.tie_word_embeddings.value_or(false);
}

Result<MemoryRequest> memory_request(const Options& options, const ModelConfig& config, const launch::Layout& layout) {
  MemoryRequest request;
  request.dtype = options.text("dtype");
  request.own_head = has_own_head(config, options.text("model"));
  PROSODIA_ASSIGN(request.freeze, freeze_spec(options));
  request.learner_ranks = layout.learners;
  PROSODIA_ASSIGN(request.sharding, parse_sharding(options.text("sharding")));
  request.reference = options.real("beta") > 0;
  request.lora_rank = options.flag("use_peft") ? options.integer("lora_r") : 0;
  request.gradient_checkpointing = options.flag("gradient_checkpointing");
  request.lag = options.integer("lag");
  request.prompts_per_step = options.integer("prompts_per_step");
  request.num_generations = options.integer("num_generations");
  request.prompt_tokens = options.integer("prompt_tokens");
  request.audio_seconds = config.audio ? options.real("audio_seconds") : 0;
  request.max_completion_length = options.integer("max_completion_length");
  request.token_budget = options.integer("token_budget");
  request.max_rows = options.integer("max_rows");
  return request;
}

// Rules and acoustic grades take next to nothing; a reward model (--reward_model) is a second model.
Result<ProcessMemory> reward_process(const Options& options, const MemoryRequest& request) {
  const std::string& dir = options.text("reward_model");
  if (dir.empty()) return ProcessMemory{"reward worker", {}};
  PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(dir));
  PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(base));
  MemoryRequest own = request;
  own.own_head = has_own_head(config, base.string());
  return plan_reward(config, own);
}

std::vector<PlannedProcess> all_processes(const ModelConfig& config, const MemoryRequest& request,
                                          const launch::Layout& layout, const ProcessMemory& reward) {
  std::vector<PlannedProcess> processes = {{plan_learner(config, request, /*serves_weights=*/true), 1}};
  if (layout.learners > 1) processes.push_back({plan_learner(config, request, false), layout.learners - 1});
  processes.push_back({plan_rollout(config, request), layout.rollouts});
  processes.push_back({reward, layout.rewards});
  // Sampled groups it keeps: those in flight, and those that wait for the archive.
  constexpr int64_t kArchivedSteps = 20, kBytesPerToken = 16, kBytesPerRow = 4096;
  const int64_t responses = request.prompts_per_step * request.num_generations;
  processes.push_back({{"coordinator",
                        {{"sampled groups", Lifetime::kResident,
                          static_cast<uint64_t>((kArchivedSteps + request.lag + 2) *
                                                (responses * request.max_completion_length * kBytesPerToken +
                                                 request.prompts_per_step * kBytesPerRow))}}},
                       1});
  return processes;
}

void print_process(const PlannedProcess& process) {
  fmt::print("\n{}{}\n", process.memory.process, process.count > 1 ? fmt::format(" (x{})", process.count) : "");
  for (const MemoryItem& item : process.memory.items) {
    const char* note = item.lifetime == Lifetime::kTransient ? "  during a step" : "";
    fmt::print("  {:<42}{:>14}{}\n", item.what, gigabytes(item.bytes), note);
  }
  fmt::print("  {:<42}{:>14}\n", "program and libraries", gigabytes(kProgramBytes));
  fmt::print("  {:<42}{:>14}\n", "needed", gigabytes(process.memory.needed() + kProgramBytes));
}

// With 5 % left for the driver and fragmentation.
bool fits(uint64_t bytes, double device_gb) { return static_cast<double>(bytes) <= device_gb * kGigabyte * 0.95; }

// GPUs: process i of a role sits on device i mod devices.
void print_devices(const std::vector<PlannedProcess>& processes, int64_t devices, double device_gb) {
  std::vector<uint64_t> used(static_cast<size_t>(devices), 0);
  for (const char* role : {"learner", "rollout", "reward"}) {
    size_t next = 0;
    for (const PlannedProcess& process : processes) {
      if (!process.memory.process.starts_with(role)) continue;
      uint64_t bytes = process.memory.needed();
      for (const MemoryItem& item : process.memory.items)
        if (item.on_host) bytes -= item.bytes;
      for (int i = 0; i < process.count; ++i) used[next++ % used.size()] += bytes;
    }
  }
  const uint64_t most = *std::max_element(used.begin(), used.end());
  fmt::print(
      "\n{} device(s) of {:.0f} GB, learner ranks, rollout and reward workers spread over them: the fullest takes {}: "
      "{}\n",
      devices, device_gb, gigabytes(most),
      fits(most, device_gb) ? "fits (5 % left for the driver and fragmentation)" : "does NOT fit");
}

void print_strategies(const ModelConfig& config, const MemoryRequest& base, double device_gb) {
  fmt::print("\nother ways to train it, bytes of learner rank 0{}:\n",
             device_gb > 0 ? fmt::format(" without served versions, against {:.0f} GB", device_gb) : std::string());
  for (const int64_t lora : {int64_t{0}, int64_t{16}})
    for (const Sharding sharding : {Sharding::kNone, Sharding::kOptimizer, Sharding::kFull})
      for (const bool checkpointing : {false, true}) {
        MemoryRequest request = base;
        request.lora_rank = lora;
        request.sharding = sharding;
        request.gradient_checkpointing = checkpointing;
        const uint64_t bytes = plan_learner(config, request, /*serves_weights=*/false).needed();
        const bool available = is_available(request);
        fmt::print("  {:<10} --sharding {:<10}{:<26}{:>14}{}{}\n", lora > 0 ? "LoRA r=16" : "all weights",
                   name(sharding), checkpointing ? " --gradient_checkpointing" : "", gigabytes(bytes),
                   device_gb > 0 ? (fits(bytes, device_gb) ? "  fits" : "  no  ") : "",
                   available ? "" : "  (not available in this build)");
      }
}

}  // namespace

bool is_available(const MemoryRequest& request) {
  const bool sharded_so = request.sharding == Sharding::kOptimizer || request.learner_ranks == 1;
  return !request.gradient_checkpointing && sharded_so;
}

Status print_memory_of_run(const Options& train, int64_t prompt_tokens, double audio_seconds) {
  std::vector<std::string> arguments = {fmt::format("--prompt_tokens={}", prompt_tokens),
                                        fmt::format("--audio_seconds={}", audio_seconds)};
  for (const OptionSpec* spec : options_of(kTrain)) {
    const bool shared = std::ranges::any_of(
        options_of(kDoctor), [&](const OptionSpec* other) { return std::string_view(other->name) == spec->name; });
    if (shared && std::string_view(spec->name) != "config" && !train.text(spec->name).empty())
      arguments.push_back(fmt::format("--{}={}", spec->name, train.text(spec->name)));
  }
  PROSODIA_ASSIGN(const Options options, parse_options(kDoctor, arguments));
  PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(options.text("model")));
  PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(base));
  PROSODIA_ASSIGN(const launch::Layout layout, launch::parse_layout(options.text("layout")));
  PROSODIA_ASSIGN(const MemoryRequest request, memory_request(options, config, layout));
  PROSODIA_ASSIGN(const ProcessMemory reward, reward_process(options, request));
  fmt::print("memory, at most (`prosodia doctor --plan` has the items):\n");
  uint64_t host = 0;
  for (const PlannedProcess& process : all_processes(config, request, layout, reward)) {
    const uint64_t bytes = process.memory.needed() + kProgramBytes;
    host += static_cast<uint64_t>(process.count) * bytes;
    fmt::print("  {:<42}{:>3} x {}\n", process.memory.process, process.count, gigabytes(bytes));
  }
  fmt::print("  {:<48}{}\n", "all of them on one host", gigabytes(host));
  return {};
}

Result<int> print_memory_plan(const Options& options) {
  PROSODIA_ASSIGN(const std::string model_dir, options.required("model"));
  PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(model_dir));
  PROSODIA_ASSIGN(const launch::Layout layout, launch::parse_layout(options.text("layout")));
  PROSODIA_ASSIGN(const MemoryRequest request, memory_request(options, config, layout));
  const ParameterCount count = count_parameters(config, request);
  const int64_t devices = options.integer("devices");
  fmt::print(
      "memory plan of {}: {:.3f} B parameters, {:.3f} B of them train; {}, sharding {}{}\n"
      "a step: {} prompts of {} tokens x {} responses of at most {}; micro-batches of {} tokens\n",
      model_dir, static_cast<double>(count.all) / 1e9, static_cast<double>(count.trainable) / 1e9, request.dtype,
      name(request.sharding), is_available(request) ? "" : " (arithmetic: not available in this build)",
      request.prompts_per_step, request.prompt_tokens, request.num_generations, request.max_completion_length,
      request.token_budget);
  PROSODIA_ASSIGN(const ProcessMemory reward, reward_process(options, request));
  std::vector<PlannedProcess> processes = all_processes(config, request, layout, reward);
  for (const PlannedProcess& process : processes) print_process(process);
  uint64_t host = 0;
  for (const PlannedProcess& process : processes)
    host += static_cast<uint64_t>(process.count) * (process.memory.needed() + kProgramBytes);
  fmt::print("\nall of --layout {} on one host: {}\n", options.text("layout"), gigabytes(host));
  if (devices > 0) print_devices(processes, devices, options.real("device_memory_gb"));
  fmt::print("\nother commands\n");
  for (const ProcessMemory& memory : {plan_sft(config, request), plan_infer(config, request)})
    print_process({memory, 1});
  print_strategies(config, request, devices > 0 ? options.real("device_memory_gb") : 0);
  return 0;
}

}  // namespace prosodia::cli
