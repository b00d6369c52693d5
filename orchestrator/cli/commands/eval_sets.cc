#include "orchestrator/cli/commands/eval_sets.h"

#include <algorithm>
#include <set>

#include "data/base/json.h"
#include "data/prosody/levels_json.h"
#include "orchestrator/cli/commands/run_config.h"
#include "reward/option_answer.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// "" for an emotion row.
std::string attribute_of(const Sample& sample) { return text_member(sample.row, "attribute"); }

Result<std::vector<std::string>> options_of(const Sample& sample) {
  const auto found = sample.row.find("options");
  std::vector<std::string> options;
  if (found != sample.row.end() && found->is_array())
    for (const json& option : *found)
      if (option.is_string()) options.push_back(option.get<std::string>());
  if (options.empty() || options.size() != found->size())
    return fail(ErrorCode::kInvalidInput,
                "{}: a question with an \"attribute\" needs \"options\", a list of the possible answers",
                sample.origin);
  return options;
}

std::string plain_id(const Sample& sample, size_t index) {
  const auto found = sample.row.find("id");
  std::string id = found == sample.row.end() ? fmt::format("row-{}", index)
                   : found->is_string()      ? found->get<std::string>()
                                             : brief(*found);
  if (const std::string attribute = attribute_of(sample); !attribute.empty()) id += "/" + attribute;
  return id;
}

// A second row of the same id gets "#2": a comparison needs to tell them apart.
std::vector<std::string> unique_ids(const std::vector<Sample>& samples) {
  std::vector<std::string> ids;
  std::map<std::string, int> times;
  for (size_t i = 0; i < samples.size(); ++i) {
    std::string id = plain_id(samples[i], i);
    const int time = ++times[id];
    ids.push_back(time == 1 ? std::move(id) : fmt::format("{}#{}", id, time));
  }
  return ids;
}

Status check_rows(const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) {
    if (sample.solution.empty())
      return fail(ErrorCode::kInvalidInput, "{}: no \"solution\"; eval needs the right answer in every row",
                  sample.origin);
    if (!attribute_of(sample).empty()) PROSODIA_TRY(options_of(sample));
  }
  return check_audio_files(samples);
}

Result<EvalSet> read_set(const std::string& item, size_t limit) {
  EvalSet set;
  const size_t equals = item.find('=');
  const bool named = equals != std::string::npos && !fs::exists(item);
  set.path = named ? item.substr(equals + 1) : item;
  set.name = named ? item.substr(0, equals) : set.path.filename().string();
  if (!named && set.name.ends_with(".jsonl")) set.name.resize(set.name.size() - 6);
  if (set.name.empty()) return fail(ErrorCode::kUsage, "--dataset '{}': the set's name is empty", item);
  PROSODIA_ASSIGN(HashedDataset dataset, read_hashed_dataset(set.path));
  set.digest = dataset.digest;
  set.samples = std::move(dataset.samples);
  PROSODIA_TRY(check_rows(set.samples));
  if (limit > 0 && limit < set.samples.size()) set.samples.resize(limit);
  set.ids = unique_ids(set.samples);
  return set;
}

}  // namespace

Result<std::vector<EvalSet>> read_eval_sets(const Options& options) {
  PROSODIA_TRY(options.required("dataset"));
  std::vector<EvalSet> sets;
  for (const std::string& item : options.list("dataset")) {
    PROSODIA_ASSIGN(EvalSet set, read_set(item, static_cast<size_t>(options.integer("max_samples"))));
    const auto same = std::ranges::find(sets, set.name, &EvalSet::name);
    if (same != sets.end())
      return fail(ErrorCode::kUsage, "--dataset: {} and {} would both be called '{}'; give one as NAME=FILE",
                  same->path.string(), set.path.string(), set.name);
    sets.push_back(std::move(set));
  }
  return sets;
}

Result<EvalRecord> judge(const EvalSet& set, size_t index, const std::string& response, ReasoningScorer* scorer) {
  const Sample& sample = set.samples[index];
  if (const std::string attribute = attribute_of(sample); !attribute.empty()) {
    PROSODIA_ASSIGN(const auto options, options_of(sample));
    EvalRecord record;
    record.id = set.ids[index];
    record.label = sample.solution;
    record.attribute = attribute;
    record.attribute_right = option_answer_matches(response, sample.solution, options);
    record.prediction = chosen_option(response, options).value_or("");
    return record;
  }
  std::optional<ProsodyLevels> levels;
  if (const auto found = sample.row.find("prosody"); found != sample.row.end()) {
    auto parsed = levels_from_json(*found);
    if (!parsed) return wrap(parsed.error(), sample.origin);
    levels = *parsed;
  }
  ReasoningScore score;
  if (scorer != nullptr) {
    const std::vector<std::string> responses = {response};
    score = scorer->score({.row = travelling_row(sample), .responses = responses}, {}).front();
  }
  return make_eval_record(set.ids[index], response, sample.solution, levels ? &*levels : nullptr,
                          scorer != nullptr ? &score : nullptr);
}

}  // namespace prosodia::cli
