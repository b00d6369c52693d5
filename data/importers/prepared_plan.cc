#include "data/importers/prepared_plan.h"

#include <algorithm>
#include <set>

#include "data/corpus/utterance_check.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kNoRule = "none of the nine, and no rule maps it";

// Sets the emotions; utterances without one leave the plan and are counted.
void map_labels(const Importer& importer, const LabelMap& map, ImportPlan& plan, ImportReport& report) {
  std::map<std::string, int> counts;
  std::erase_if(plan.utterances, [&](PlannedUtterance& planned) {
    UtteranceInfo& info = planned.info;
    if (!map.knows(info.source_label) && !importer.open_labels) {
      plan.problems.push_back({shown_path(planned.audio, report.root),
                               fmt::format("no label: {} has no label \"{}\"", importer.format, info.source_label)});
      return true;
    }
    ++counts[info.source_label];
    info.emotion = map.emotion(info.source_label).value_or("");
    return info.emotion.empty();
  });
  std::set<std::string> told;
  for (const LabelMap::Line& line : map.lines()) {
    int count = 0;
    for (const auto& [label, n] : counts) {
      if (lower_ascii(label) != lower_ascii(line.source) || !told.insert(label).second) continue;
      count += n;
    }
    if (count == 0) continue;
    report.labels.push_back({line.source, line.english, line.emotion, line.reason, count});
  }
  for (const auto& [label, count] : counts) {
    if (!told.contains(label)) report.labels.push_back({label, label, "", std::string(kNoRule), count});
  }
}

// The reason why an utterance cannot be in a corpus, or "".
std::string refusal(const UtteranceInfo& info) {
  if (info.id.empty() || info.id.find_first_of("#/") != std::string::npos) {
    return fmt::format("wrong name: the id \"{}\" must be non-empty and without '#' and '/'", info.id);
  }
  UtteranceInfo with_split = info;
  if (with_split.split.empty()) with_split.split = kSplitNames[0];
  const Status status = check_utterance(with_split, 0);
  return status ? "" : status.error().message;
}

void drop_bad_and_repeated(ImportPlan& plan, const fs::path& root) {
  std::stable_sort(plan.utterances.begin(), plan.utterances.end(),
                   [](const PlannedUtterance& a, const PlannedUtterance& b) { return a.info.id < b.info.id; });
  std::map<std::string, std::string> seen;  // id -> file
  std::erase_if(plan.utterances, [&](const PlannedUtterance& planned) {
    const std::string file = shown_path(planned.audio, root);
    std::string reason = refusal(planned.info);
    if (reason.empty()) {
      const auto [first, inserted] = seen.emplace(planned.info.id, file);
      if (!inserted) reason = fmt::format("repeated: \"{}\" is also {}", planned.info.id, first->second);
    }
    if (reason.empty()) return false;
    plan.problems.push_back({file, std::move(reason)});
    return true;
  });
}

Status add_transcripts(const fs::path& file, ImportPlan& plan) {
  PROSODIA_ASSIGN(const std::string text, read_release_text(file));
  std::map<std::string, std::string, std::less<>> transcripts;
  size_t number = 0;
  for (const std::string_view line : split_lines(text)) {
    ++number;
    if (trim_ascii(line).empty()) continue;
    const size_t tab = line.find('\t');
    if (tab == line.npos) {
      return fail(ErrorCode::kInvalidInput, "{}:{}: expected an utterance's id, a tab and its text", file.string(),
                  number);
    }
    transcripts[std::string(trim_ascii(line.substr(0, tab)))] = clean_transcript(line.substr(tab + 1));
  }
  size_t missing = 0;
  for (PlannedUtterance& planned : plan.utterances) {
    UtteranceInfo& info = planned.info;
    auto found = transcripts.find(info.id);
    if (found == transcripts.end()) found = transcripts.find(info.id.substr(info.id.find('_') + 1));
    if (found == transcripts.end()) {
      ++missing;
    } else {
      info.transcript = found->second;
    }
  }
  if (missing > 0) plan.notes.push_back(fmt::format("{} has no line for {} utterances", file.string(), missing));
  return {};
}

Digest digest_of(const std::vector<PlannedUtterance>& utterances) {
  DigestBuilder builder;
  for (const PlannedUtterance& planned : utterances) {
    std::error_code ignored;  // a file that vanishes is noticed when it is decoded
    builder.add(std::string_view(planned.info.id)).add(std::string_view(planned.audio.string()));
    builder.add(uint64_t{fs::file_size(planned.audio, ignored)});
    builder.add(static_cast<uint64_t>(fs::last_write_time(planned.audio, ignored).time_since_epoch().count()));
  }
  return builder.finish();
}

std::string describe(const Importer& importer, const ImportReport& report) {
  std::string text = fmt::format("{} import; labels", importer.format);
  for (const ImportReport::Label& label : report.labels) {
    text += fmt::format(" {}={}", label.source, label.emotion.empty() ? "-" : label.emotion);
  }
  return text;
}

}  // namespace

Result<PreparedPlan> prepare_plan(const Importer& importer, const ImportOptions& options, ImportReport& report) {
  PROSODIA_ASSIGN(const LabelMap map, LabelMap::make(importer.labels, options.label_map, importer.open_labels));
  PROSODIA_ASSIGN(ImportPlan plan, importer.plan({.root = options.root,
                                                  .crema_d_labels = options.crema_d_labels,
                                                  .transcripts_given = !options.transcripts.empty()}));
  map_labels(importer, map, plan, report);
  drop_bad_and_repeated(plan, options.root);
  if (!options.transcripts.empty()) {
    PROSODIA_TRY(add_transcripts(options.transcripts, plan));
  }
  const bool named = !options.splits.test_speakers.empty() || !options.splits.validation_speakers.empty();
  if (plan.has_official_split && named) {
    return fail(ErrorCode::kUsage,
                "--test_speakers and --validation_speakers: this release has its own split, which is kept");
  }
  if (!plan.utterances.empty()) {
    PROSODIA_ASSIGN(const auto notes, assign_splits(plan.utterances, options.splits));
    plan.notes.insert(plan.notes.end(), notes.begin(), notes.end());
  }
  report.left_out = std::move(plan.left_out);
  report.problems = std::move(plan.problems);
  report.notes = std::move(plan.notes);
  PreparedPlan prepared{std::move(plan.utterances), {}, describe(importer, report)};
  prepared.digest = digest_of(prepared.utterances);
  return prepared;
}

}  // namespace prosodia
