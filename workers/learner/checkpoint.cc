#include "workers/learner/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "data/base/json.h"
#include "data/store/atomic_file.h"
#include "data/store/safetensors.h"
#include "workers/model/load.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::span<const std::byte> bytes_of(const at::Tensor& flat) {
  return {reinterpret_cast<const std::byte*>(flat.const_data_ptr<float>()), static_cast<size_t>(flat.numel()) * 4};
}

Status write_optimizer_shard(const fs::path& dir, const AdamW& optimizer, const Collective& collective) {
  const OptimizerState state = optimizer.state();
  std::vector<at::Tensor> on_host = {state.exp_avg.cpu(), state.exp_avg_sq.cpu()};
  std::vector<std::string> names = {"exp_avg", "exp_avg_sq"};
  if (state.master.defined()) {
    on_host.push_back(state.master.cpu());
    names.push_back("master");
  }
  std::vector<TensorView> views;
  for (size_t i = 0; i < on_host.size(); ++i)
    views.push_back({names[i], DType::F32, {on_host[i].numel()}, bytes_of(on_host[i])});
  const std::map<std::string, std::string> metadata = {{"begin", std::to_string(state.shard.begin)},
                                                       {"end", std::to_string(state.shard.end)},
                                                       {"total", std::to_string(optimizer.num_elements())}};
  const auto file = fmt::format("optimizer-{:05}-of-{:05}.safetensors", collective.rank(), collective.size());
  return write_safetensors(posix_file_system(), dir / file, views, metadata);
}

Status write_rank0_files(const fs::path& dir, const Model& model, const AdamW& optimizer, const TrainingState& state,
                         const fs::path& files_from) {
  PROSODIA_TRY(save_policy(model, files_from, dir));
  json policies = json::array();
  for (const auto& [version, snapshot] : state.policy) {
    const auto file = fmt::format("policy-{:08}.bin", version);
    PROSODIA_TRY(write_file_atomic(posix_file_system(), dir / file, snapshot->bytes));
    policies.push_back({{"version", version}, {"file", file}, {"digest", snapshot->digest.hex()}});
  }
  const json text = {{"step", state.step},
                     {"optimizer_steps", optimizer.num_steps()},
                     {"optimizer_elements", optimizer.num_elements()},
                     {"policy_versions", policies},
                     {"extra", state.extra}};
  return write_file_atomic(posix_file_system(), dir / "state.json", as_byte_span(text.dump(1)));
}

// Tells every rank rank 0's path; "" stands for none.
Result<std::string> broadcast_text(Collective& collective, const std::string& text) {
  std::vector<std::byte> bytes;
  if (collective.rank() == 0) bytes.assign(as_byte_span(text).begin(), as_byte_span(text).end());
  PROSODIA_TRY(collective.broadcast_bytes(bytes, 0));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// Copies the part of one saved shard that overlaps this rank's.
Status take_overlap(const fs::path& path, int64_t total, Shard mine, OptimizerState& state) {
  PROSODIA_ASSIGN(const auto file, SafetensorsFile::open(path));
  const auto number = [&](const char* key) -> int64_t {
    const auto found = file->metadata().find(key);
    return found == file->metadata().end() ? -1 : std::strtoll(found->second.c_str(), nullptr, 10);
  };
  const int64_t begin = number("begin"), end = number("end");
  if (number("total") != total || begin < 0 || end < begin)
    return fail(ErrorCode::kInvalidInput,
                "{}: holds {} optimizer elements, this run trains {}: were the model or `freeze` changed? Next: start "
                "in a new output folder, or go back to the saved options",
                path.string(), number("total"), total);
  const auto from = std::max(begin, static_cast<int64_t>(mine.begin)),
             to = std::min(end, static_cast<int64_t>(mine.end));
  for (const auto& [name, target] : {std::pair<const char*, at::Tensor*>{"exp_avg", &state.exp_avg},
                                     {"exp_avg_sq", &state.exp_avg_sq},
                                     {"master", &state.master}}) {
    if (!target->defined()) continue;
    const TensorView* view = file->find(name);
    if (!view || view->dtype != DType::F32 || view->data.size() != static_cast<size_t>(end - begin) * 4)
      return fail(ErrorCode::kCorruption, "{}: tensor {} is missing or has the wrong size", path.string(), name);
    if (from >= to) continue;
    std::memcpy(target->mutable_data_ptr<float>() + (from - static_cast<int64_t>(mine.begin)),
                view->data.data() + (from - begin) * 4, static_cast<size_t>(to - from) * 4);
  }
  return {};
}

Status restore_optimizer(const fs::path& dir, int64_t steps, AdamW& optimizer) {
  const auto size = static_cast<int64_t>(optimizer.shard().size());
  OptimizerState state{steps, optimizer.shard(), at::zeros({size}), at::zeros({size}), {}};
  if (optimizer.state().master.defined()) state.master = at::zeros({size});
  PROSODIA_ASSIGN(const auto entries, posix_file_system().list_dir(dir));
  int shards = 0;
  for (const auto& entry : entries) {
    if (!entry.name.starts_with("optimizer-")) continue;
    PROSODIA_TRY(take_overlap(dir / entry.name, optimizer.num_elements(), optimizer.shard(), state));
    ++shards;
  }
  if (shards == 0)
    return fail(ErrorCode::kCorruption, "{}: no optimizer-*.safetensors. Next: resume from another checkpoint",
                dir.string());
  return optimizer.restore(state);
}

Status read_policies(const fs::path& dir, const json& list, TrainingState& state) {
  for (const auto& entry : list) {
    PROSODIA_ASSIGN(auto bytes, posix_file_system().read_file(dir / entry.at("file").get<std::string>()));
    auto snapshot = protocol::make_snapshot(std::move(bytes));
    if (snapshot->digest.hex() != entry.at("digest").get<std::string>())
      return fail(ErrorCode::kCorruption, "{}: does not match the digest in state.json",
                  (dir / entry.at("file").get<std::string>()).string());
    state.policy[entry.at("version").get<uint64_t>()] = std::move(snapshot);
  }
  return {};
}

Result<json> read_state(const fs::path& dir) {
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(dir / "state.json"));
  auto read = parse_json_object(text, (dir / "state.json").string());
  const json parsed = read ? std::move(*read) : json();
  const auto whole = [&](const char* key) { return parsed.contains(key) && parsed[key].is_number_integer(); };
  if (!parsed.is_object() || !whole("step") || !whole("optimizer_steps"))
    return fail(ErrorCode::kCorruption, "{}: not a training state. Next: resume from another checkpoint",
                (dir / "state.json").string());
  return parsed;
}

}  // namespace

Result<fs::path> save_checkpoint(CheckpointStore& store, Collective& collective, const Model& model,
                                 const AdamW& optimizer, const TrainingState& state, const fs::path& files_from,
                                 const CheckpointRetention& keep) {
  const auto step = static_cast<uint64_t>(state.step);
  std::string working;
  Status status;
  if (collective.rank() == 0) {
    auto begun = store.begin(step);
    if (begun)
      working = begun->string();
    else
      status = tl::unexpected(begun.error());
  }
  PROSODIA_TRY(collective.agree(status));
  PROSODIA_ASSIGN(const fs::path dir, broadcast_text(collective, working));
  status = write_optimizer_shard(dir, optimizer, collective);
  if (status && collective.rank() == 0) status = write_rank0_files(dir, model, optimizer, state, files_from);
  PROSODIA_TRY(collective.agree(status));
  if (collective.rank() == 0) {
    const auto committed = store.commit(step, {{"step", state.step}, {"extra", state.extra}});
    status = committed ? store.gc(static_cast<size_t>(std::max(1, keep.newest)), step, keep.besides)
                       : tl::unexpected(committed.error());
  }
  PROSODIA_TRY(collective.agree(status));
  return store.path_of(step);
}

Result<std::optional<fs::path>> find_checkpoint(CheckpointStore& store, Collective& collective) {
  std::string path;
  Status status;
  if (collective.rank() == 0) {
    auto latest = store.latest();
    if (!latest)
      status = tl::unexpected(latest.error());
    else if (*latest)
      path = (*latest)->path.string();
  }
  PROSODIA_TRY(collective.agree(status));
  PROSODIA_ASSIGN(path, broadcast_text(collective, path));
  if (path.empty()) return std::optional<fs::path>();
  return std::optional<fs::path>(path);
}

Result<json> read_training_extra(const fs::path& dir) {
  PROSODIA_ASSIGN(const json parsed, read_state(dir));
  return parsed.value("extra", json::object());
}

Result<TrainingState> load_training_state(const fs::path& dir, Collective& collective, AdamW& optimizer) {
  const auto load = [&]() -> Result<TrainingState> {
    PROSODIA_ASSIGN(const json parsed, read_state(dir));
    TrainingState state;
    state.step = parsed.at("step").get<int64_t>();
    state.extra = parsed.value("extra", json::object());
    PROSODIA_TRY(restore_optimizer(dir, parsed.at("optimizer_steps").get<int64_t>(), optimizer));
    if (collective.rank() == 0 && parsed.contains("policy_versions"))
      PROSODIA_TRY(read_policies(dir, parsed.at("policy_versions"), state));
    return state;
  };
  auto state = load();
  PROSODIA_TRY(collective.agree(state ? Status{} : tl::unexpected(state.error())));
  return state;
}

}  // namespace prosodia
