#include "orchestrator/coordinator/archive.h"

#include <algorithm>
#include <cstdio>

#include "data/base/check.h"
#include "data/base/crc32c.h"
#include "data/store/hdf5_file.h"

namespace prosodia {

using namespace protocol;

namespace {

constexpr uint64_t kFormat = 2;

// A segment as columns; `each` names every column once, for writing and for reading.
struct Columns {
  std::vector<uint64_t> format, step, group_begin;
  std::vector<uint8_t> batch_digest, weights_digest;
  std::vector<double> loss;
  std::vector<uint64_t> group_id, seed, policy_version, response_begin, row_begin;
  std::vector<uint32_t> prompt_token_count, row_crc32c;
  std::vector<double> tau, gate;
  std::vector<uint64_t> token_begin, text_begin;
  std::vector<uint8_t> finish_reason, scored, present, reasoning_status;
  std::vector<double> format_reward, accuracy, reasoning, faithfulness, total, criteria;
  std::vector<uint32_t> claims, true_claims;
  std::vector<int32_t> token_ids;
  std::vector<float> logprobs;
  std::vector<uint8_t> text, rows;

  template <class F>
  Status each(F&& f) {
    PROSODIA_TRY(f("/format", format, 1));
    PROSODIA_TRY(f("/step/step", step, 1));
    PROSODIA_TRY(f("/step/batch_digest", batch_digest, 32));
    PROSODIA_TRY(f("/step/loss", loss, 1));
    PROSODIA_TRY(f("/step/weights_digest", weights_digest, 32));
    PROSODIA_TRY(f("/step/group_begin", group_begin, 1));
    PROSODIA_TRY(f("/group/group_id", group_id, 1));
    PROSODIA_TRY(f("/group/seed", seed, 1));
    PROSODIA_TRY(f("/group/policy_version", policy_version, 1));
    PROSODIA_TRY(f("/group/prompt_token_count", prompt_token_count, 1));
    PROSODIA_TRY(f("/group/tau", tau, 1));
    PROSODIA_TRY(f("/group/gate", gate, 1));
    PROSODIA_TRY(f("/group/response_begin", response_begin, 1));
    PROSODIA_TRY(f("/group/row_begin", row_begin, 1));
    PROSODIA_TRY(f("/group/row_crc32c", row_crc32c, 1));
    PROSODIA_TRY(f("/response/token_begin", token_begin, 1));
    PROSODIA_TRY(f("/response/text_begin", text_begin, 1));
    PROSODIA_TRY(f("/response/finish_reason", finish_reason, 1));
    PROSODIA_TRY(f("/response/scored", scored, 1));
    PROSODIA_TRY(f("/response/present", present, 1));
    PROSODIA_TRY(f("/response/reasoning_status", reasoning_status, 1));
    PROSODIA_TRY(f("/response/format", format_reward, 1));
    PROSODIA_TRY(f("/response/accuracy", accuracy, 1));
    PROSODIA_TRY(f("/response/reasoning", reasoning, 1));
    PROSODIA_TRY(f("/response/faithfulness", faithfulness, 1));
    PROSODIA_TRY(f("/response/total", total, 1));
    PROSODIA_TRY(f("/response/criteria", criteria, 4));
    PROSODIA_TRY(f("/response/claims", claims, 1));
    PROSODIA_TRY(f("/response/true_claims", true_claims, 1));
    PROSODIA_TRY(f("/tokens/ids", token_ids, 1));
    PROSODIA_TRY(f("/tokens/logprobs", logprobs, 1));
    PROSODIA_TRY(f("/text", text, 1));
    return f("/rows", rows, 1);
  }
};

void add_response(Columns& c, const Completion& completion, const ResponseScore& score) {
  c.token_begin.push_back(c.token_ids.size());
  c.text_begin.push_back(c.text.size());
  c.token_ids.insert(c.token_ids.end(), completion.token_ids.begin(), completion.token_ids.end());
  c.logprobs.insert(c.logprobs.end(), completion.logprobs.begin(), completion.logprobs.end());
  c.text.insert(c.text.end(), completion.text.begin(), completion.text.end());
  c.finish_reason.push_back(static_cast<uint8_t>(completion.finish_reason));
  c.scored.push_back(score.scored);
  c.present.push_back(score.present);
  c.reasoning_status.push_back(static_cast<uint8_t>(score.reasoning_status));
  c.format_reward.push_back(score.format);
  c.accuracy.push_back(score.accuracy);
  c.reasoning.push_back(score.reasoning);
  c.faithfulness.push_back(score.faithfulness);
  c.total.push_back(score.total);
  c.criteria.insert(c.criteria.end(), score.criteria.begin(), score.criteria.end());
  c.claims.push_back(score.claims);
  c.true_claims.push_back(score.true_claims);
}

void add_group(Columns& c, const BatchGroup& group) {
  c.group_id.push_back(group.group_id.value);
  c.seed.push_back(group.seed);
  c.policy_version.push_back(group.rollout.policy_version.value);
  c.prompt_token_count.push_back(group.rollout.prompt_token_count);
  c.tau.push_back(group.reward.tau);
  c.gate.push_back(group.reward.gate);
  c.response_begin.push_back(c.token_begin.size());
  c.row_begin.push_back(c.rows.size());
  c.row_crc32c.push_back(crc32c(as_byte_span(group.row_json)));
  c.rows.insert(c.rows.end(), group.row_json.begin(), group.row_json.end());
  for (size_t i = 0; i < group.rollout.completions.size(); ++i) {
    add_response(c, group.rollout.completions[i], group.reward.responses[i]);
  }
}

void add_digest(std::vector<uint8_t>& column, const Digest& digest) {
  column.insert(column.end(), digest.bytes.begin(), digest.bytes.end());
}
Digest digest_at(const std::vector<uint8_t>& column, size_t index) {
  Digest digest;
  std::copy_n(column.begin() + static_cast<std::ptrdiff_t>(32 * index), 32, digest.bytes.begin());
  return digest;
}

Columns to_columns(const std::vector<ArchivedStep>& steps) {
  Columns c;
  c.format = {kFormat};
  for (const ArchivedStep& archived : steps) {
    const StepBatch& batch = archived.batch;
    c.step.push_back(batch.step.value);
    add_digest(c.batch_digest, batch.batch_digest);
    c.loss.push_back(archived.loss);
    add_digest(c.weights_digest, archived.weights);
    c.group_begin.push_back(c.group_id.size());
    for (const BatchGroup& group : batch.groups) add_group(c, group);
  }
  c.group_begin.push_back(c.group_id.size());
  c.response_begin.push_back(c.token_begin.size());
  c.row_begin.push_back(c.rows.size());
  c.token_begin.push_back(c.token_ids.size());
  c.text_begin.push_back(c.text.size());
  return c;
}

bool is_index(const std::vector<uint64_t>& begin, size_t count, size_t end) {
  return begin.size() == count + 1 && begin.front() == 0 && begin.back() == end &&
         std::is_sorted(begin.begin(), begin.end());
}

bool fits_together(const Columns& c) {
  const size_t steps = c.step.size(), groups = c.group_id.size(), responses = c.finish_reason.size();
  const auto all = [](size_t size, auto&... columns) { return ((columns.size() == size) && ...); };
  return c.format == std::vector<uint64_t>{kFormat} && c.batch_digest.size() == 32 * steps &&
         c.weights_digest.size() == 32 * steps && c.loss.size() == steps && is_index(c.group_begin, steps, groups) &&
         all(groups, c.seed, c.policy_version, c.prompt_token_count, c.row_crc32c, c.tau, c.gate) &&
         is_index(c.response_begin, groups, responses) && is_index(c.row_begin, groups, c.rows.size()) &&
         all(responses, c.scored, c.present, c.reasoning_status, c.format_reward, c.accuracy, c.reasoning,
             c.faithfulness, c.total, c.claims, c.true_claims) &&
         c.criteria.size() == 4 * responses && is_index(c.token_begin, responses, c.token_ids.size()) &&
         c.logprobs.size() == c.token_ids.size() && is_index(c.text_begin, responses, c.text.size());
}

template <class T>
std::vector<T> slice(const std::vector<T>& values, uint64_t begin, uint64_t end) {
  return {values.begin() + static_cast<std::ptrdiff_t>(begin), values.begin() + static_cast<std::ptrdiff_t>(end)};
}
std::string text_slice(const std::vector<uint8_t>& values, uint64_t begin, uint64_t end) {
  return {values.begin() + static_cast<std::ptrdiff_t>(begin), values.begin() + static_cast<std::ptrdiff_t>(end)};
}

void read_response(const Columns& c, uint64_t r, BatchGroup& group) {
  Completion completion;
  completion.token_ids = slice(c.token_ids, c.token_begin[r], c.token_begin[r + 1]);
  completion.logprobs = slice(c.logprobs, c.token_begin[r], c.token_begin[r + 1]);
  completion.finish_reason = c.finish_reason[r] == 0 ? FinishReason::kStop : FinishReason::kLength;
  completion.text = text_slice(c.text, c.text_begin[r], c.text_begin[r + 1]);
  ResponseScore score;
  score.scored = c.scored[r] != 0;
  score.present = c.present[r] != 0;
  score.reasoning_status = static_cast<ReasoningStatus>(std::min<uint8_t>(c.reasoning_status[r], 4));
  score.format = c.format_reward[r];
  score.accuracy = c.accuracy[r];
  std::copy_n(c.criteria.begin() + static_cast<std::ptrdiff_t>(4 * r), 4, score.criteria.begin());
  score.reasoning = c.reasoning[r];
  score.claims = c.claims[r];
  score.true_claims = c.true_claims[r];
  score.faithfulness = c.faithfulness[r];
  score.total = c.total[r];
  group.rollout.completions.push_back(std::move(completion));
  group.reward.responses.push_back(std::move(score));
}

BatchGroup read_group(const Columns& c, uint64_t g) {
  BatchGroup group;
  group.group_id = group.rollout.group_id = group.reward.group_id = GroupId(c.group_id[g]);
  group.seed = c.seed[g];
  group.rollout.policy_version = PolicyVersion(c.policy_version[g]);
  group.rollout.prompt_token_count = c.prompt_token_count[g];
  group.reward.tau = c.tau[g];
  group.reward.gate = c.gate[g];
  group.row_json = text_slice(c.rows, c.row_begin[g], c.row_begin[g + 1]);
  for (uint64_t r = c.response_begin[g]; r < c.response_begin[g + 1]; ++r) read_response(c, r, group);
  return group;
}

}  // namespace

namespace {

Status write_columns(const std::filesystem::path& path, Columns& columns) {
  const auto guard = hdf5::lock();
  PROSODIA_ASSIGN(hdf5::Handle file, hdf5::create_file(path.string()));
  for (const char* group : {"/step", "/group", "/response", "/tokens"}) PROSODIA_TRY(hdf5::make_group(file, group));
  PROSODIA_TRY(columns.each([&](const char* column, const auto& values, size_t row) {
    return hdf5::write_table(file, column, values, row);
  }));
  if (!file.close()) return fail(ErrorCode::kStorage, "cannot be closed: {}", hdf5::last_error());
  return {};
}

Status read_columns(const std::filesystem::path& path, Columns& columns) {
  const auto guard = hdf5::lock();
  PROSODIA_ASSIGN(const hdf5::Handle file, hdf5::open_file(path.string()));
  return columns.each([&](const char* column, auto& values, size_t row) -> Status {
    using T = typename std::remove_reference_t<decltype(values)>::value_type;
    PROSODIA_ASSIGN(values, hdf5::read_table<T>(file, column, row));
    return {};
  });
}

}  // namespace

Status write_segment(FileSystem& fs, const std::filesystem::path& dir, const std::vector<ArchivedStep>& steps) {
  PROSODIA_CHECK(!steps.empty(), "an empty segment");
  PROSODIA_TRY(fs.create_dirs(dir));
  const std::string name =
      fmt::format("step-{:06}-{:06}.h5", steps.front().batch.step.value, steps.back().batch.step.value);
  const auto temporary = dir / ("." + name + ".tmp");
  Columns columns = to_columns(steps);
  if (const Status status = write_columns(temporary, columns); !status) {
    return wrap(status.error(), fmt::format("{} (is the disk full?)", temporary.string()));
  }
  PROSODIA_TRY(fs.sync_file(temporary));
  PROSODIA_TRY(fs.rename(temporary, dir / name));
  return fs.sync_dir(dir);
}

Result<std::vector<ArchivedStep>> read_segment(const std::filesystem::path& path) {
  Columns c;
  if (const Status status = read_columns(path, c); !status) return wrap(status.error(), path.string());
  if (!fits_together(c)) {
    return fail(ErrorCode::kInvalidInput, "{}: the columns do not fit together, or the format is not {}", path.string(),
                kFormat);
  }
  std::vector<ArchivedStep> steps;
  for (size_t s = 0; s < c.step.size(); ++s) {
    StepBatch batch;
    batch.step = StepId(c.step[s]);
    batch.batch_digest = digest_at(c.batch_digest, s);
    for (uint64_t g = c.group_begin[s]; g < c.group_begin[s + 1]; ++g) {
      batch.groups.push_back(read_group(c, g));
      // The batch digest leaves the row out: it names files of this machine.
      if (crc32c(as_byte_span(batch.groups.back().row_json)) != c.row_crc32c[g]) {
        return fail(ErrorCode::kCorruption, "{}: step {}: the row of group {} fails its checksum", path.string(),
                    batch.step, batch.groups.back().group_id);
      }
    }
    if (digest_of(batch.groups) != batch.batch_digest) {
      return fail(ErrorCode::kCorruption, "{}: step {} does not hash to its digest", path.string(), batch.step);
    }
    steps.push_back({std::move(batch), c.loss[s], digest_at(c.weights_digest, s)});
  }
  return steps;
}

Result<std::vector<Segment>> list_segments(FileSystem& fs, const std::filesystem::path& dir) {
  std::vector<Segment> segments;
  PROSODIA_ASSIGN(const bool exists, fs.exists(dir));
  if (!exists) return segments;
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  for (const DirEntry& entry : entries) {
    unsigned long long first = 0, last = 0;
    int length = 0;
    const int fields = std::sscanf(entry.name.c_str(), "step-%llu-%llu.h5%n", &first, &last, &length);
    if (fields != 2 || length != static_cast<int>(entry.name.size()) || last < first) continue;
    segments.push_back({first, last, dir / entry.name});
  }
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.first_step < b.first_step; });
  return segments;
}

uint64_t archived_before(const std::vector<Segment>& segments, uint64_t first) {
  uint64_t end = first;
  for (const Segment& segment : segments) {
    if (segment.first_step > end) break;
    end = std::max(end, segment.last_step + 1);
  }
  return end;
}

}  // namespace prosodia
