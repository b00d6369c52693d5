#include "orchestrator/cli/commands/eval_records.h"

#include <fstream>

#include "data/base/json.h"
#include "data/base/json_difference.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFile = "records.jsonl";
constexpr const char* kHeader = "eval";

json to_json(const std::string& decoding, const std::string& set, const EvalRecord& record,
             const std::string& response) {
  json row = {{"decoding", decoding},
              {"set", set},
              {"id", record.id},
              {"label", record.label},
              {"prediction", record.prediction},
              {"response", response}};
  if (!record.attribute.empty()) {
    row["attribute"] = record.attribute;
    row["right"] = record.attribute_right;
    return row;
  }
  row["format"] = record.format;
  row["checkable_claims"] = record.checkable_claims;
  row["true_claims"] = record.true_claims;
  row["measured_attributes"] = record.measured_attributes;
  row["recalled_attributes"] = record.recalled_attributes;
  if (record.criteria) row["criteria"] = *record.criteria;
  return row;
}

EvalRecord record_from_json(const json& row) {
  EvalRecord record;
  record.id = row.at("id");
  record.label = row.at("label");
  record.prediction = row.at("prediction");
  if (row.contains("attribute")) {
    record.attribute = row.at("attribute");
    record.attribute_right = row.at("right");
    return record;
  }
  record.format = row.at("format");
  record.checkable_claims = row.at("checkable_claims");
  record.true_claims = row.at("true_claims");
  record.measured_attributes = row.at("measured_attributes");
  record.recalled_attributes = row.at("recalled_attributes");
  if (row.contains("criteria")) record.criteria = row.at("criteria").get<Criteria>();
  return record;
}

struct ParsedLine {
  std::string decoding, set;
  EvalRecord record;
};

Result<ParsedLine> parse_line(const std::string& line, const std::string& where) {
  PROSODIA_ASSIGN(const json row, parse_json_object(line, where));
  try {
    return ParsedLine{row.at("decoding"), row.value("set", std::string("eval")), record_from_json(row)};
  } catch (const json::exception& error) {
    return fail(ErrorCode::kInvalidInput, "{}: not a record of an eval: {}", where, error.what());
  }
}

struct ParsedFile {
  json identity;  // null: none
  std::vector<ParsedLine> lines;
  uint64_t whole_bytes = 0;  // up to the last whole line
};

Result<ParsedFile> parse_file(const fs::path& path) {
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  ParsedFile file;
  for (size_t begin = 0, number = 1; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // torn
    const std::string line = text.substr(begin, end - begin), where = fmt::format("{}:{}", path.string(), number);
    if (number == 1) {
      PROSODIA_ASSIGN(const json first, parse_json_object(line, where));
      if (first.contains(kHeader)) file.identity = first[kHeader];
    }
    if (number > 1 || file.identity.is_null()) {
      PROSODIA_ASSIGN(ParsedLine parsed, parse_line(line, where));
      file.lines.push_back(std::move(parsed));
    }
    begin = end + 1;
    file.whole_bytes = begin;
  }
  return file;
}

Status check_identity(const json& before, const json& now, const fs::path& path) {
  const auto difference = first_differing_key(before, now);
  if (!difference) return {};
  return fail(ErrorCode::kUsage,
              "{} holds responses of another evaluation: {} {} (this one has {}). Next: give the same options to go on "
              "with it, or another --output_dir",
              path.string(), difference->key, difference->before, difference->now);
}

}  // namespace

Result<std::unique_ptr<EvalLog>> EvalLog::open(const fs::path& dir, const json& identity) {
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(dir));
  const fs::path path = dir / kFile;
  std::unique_ptr<EvalLog> log(new EvalLog);
  PROSODIA_ASSIGN(log->lock_, files.lock_file(dir / "LOCK"));
  PROSODIA_ASSIGN(const bool there, files.exists(path));
  uint64_t kept = 0;
  if (there) {
    PROSODIA_ASSIGN(ParsedFile file, parse_file(path));
    kept = file.lines.empty() ? 0 : file.whole_bytes;  // nothing answered yet: any evaluation may begin here
    if (kept > 0) PROSODIA_TRY(check_identity(file.identity, identity, path));
    for (ParsedLine& line : file.lines) log->records_[{line.decoding, line.set}].push_back(std::move(line.record));
    PROSODIA_TRY(files.truncate(path, kept));
  }
  PROSODIA_ASSIGN(log->file_, files.open_append(path, OpenMode::kAppend));
  if (kept == 0) PROSODIA_TRY(log->file_->append(as_byte_span(dump_line(json{{kHeader, identity}}) + "\n")));
  return log;
}

const std::vector<EvalRecord>& EvalLog::done(const std::string& decoding, const std::string& set) const {
  static const std::vector<EvalRecord> kNone;
  const auto found = records_.find({decoding, set});
  return found == records_.end() ? kNone : found->second;
}

size_t EvalLog::num_done() const {
  size_t rows = 0;
  for (const auto& [key, records] : records_) rows += records.size();
  return rows;
}

Status EvalLog::add(const std::string& decoding, const std::string& set, EvalRecord record,
                    const std::string& response) {
  PROSODIA_TRY(file_->append(as_byte_span(dump_line(to_json(decoding, set, record, response)) + "\n")));
  records_[{decoding, set}].push_back(std::move(record));
  return {};
}

Result<EvalRecordsByDecoding> read_eval_records(fs::path path) {
  if (fs::exists(path) && !fs::is_directory(path)) path = path.parent_path();
  path /= kFile;
  if (!fs::exists(path))
    return fail(ErrorCode::kInvalidInput, "{} is not there; give the folder of an earlier eval", path.string());
  PROSODIA_ASSIGN(ParsedFile file, parse_file(path));
  EvalRecordsByDecoding all;
  const auto entry = [](auto& list, const std::string& name) -> auto& {
    for (auto& one : list)
      if (std::get<0>(one) == name) return std::get<1>(one);
    return std::get<1>(list.emplace_back(name, typename std::decay_t<decltype(std::get<1>(list[0]))>{}));
  };
  for (ParsedLine& line : file.lines) {
    std::vector<EvalSetRecords>& sets = entry(all, line.decoding);
    auto set = std::find_if(sets.begin(), sets.end(), [&](const auto& one) { return one.name == line.set; });
    if (set == sets.end()) set = sets.insert(sets.end(), {line.set, {}});
    set->records.push_back(std::move(line.record));
  }
  if (all.empty()) return fail(ErrorCode::kInvalidInput, "{}: no responses; let that eval finish first", path.string());
  return all;
}

}  // namespace prosodia::cli
