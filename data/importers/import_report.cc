// ImportReport as text and as JSON.
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/importers/import.h"

namespace prosodia {
namespace {

std::string label_text(const ImportReport& report) {
  std::string text = "labels (as released -> emotion: utterances)\n";
  for (const ImportReport::Label& label : report.labels) {
    const std::string source =
        label.english == label.source ? label.source : fmt::format("{} ({})", label.source, label.english);
    text += fmt::format("  {:<24} -> {:<20} {:>6}{}\n", source, label.emotion.empty() ? "left out" : label.emotion,
                        label.utterances, label.reason.empty() ? "" : "   " + label.reason);
  }
  return text;
}

std::string split_text(const ImportReport& report) {
  std::string text = "splits\n";
  for (size_t i = 0; i < kSplitNames.size(); ++i) {
    const ImportReport::Split& split = report.splits[i];
    constexpr size_t kShown = 12;
    const size_t shown = std::min(split.speakers.size(), kShown);
    const std::vector<std::string> first(split.speakers.begin(),
                                         split.speakers.begin() + static_cast<std::ptrdiff_t>(shown));
    text += fmt::format("  {:<10} {:>6} utterances, {} speaker{}{}{}{}\n", kSplitNames[i], split.utterances,
                        split.speakers.size(), split.speakers.size() == 1 ? "" : "s", first.empty() ? "" : ": ",
                        fmt::join(first, " "), split.speakers.size() > kShown ? " …" : "");
  }
  return text;
}

int left_out_by_label(const ImportReport& report) {
  int count = 0;
  for (const ImportReport::Label& label : report.labels) count += label.emotion.empty() ? label.utterances : 0;
  return count;
}

}  // namespace

std::string ImportReport::to_text(size_t max_problems) const {
  std::string text;
  if (!labels.empty()) text += label_text(*this);
  for (const auto& [what, count] : left_out) text += fmt::format("left out: {} {} files\n", count, what);
  if (imported > 0) text += split_text(*this);
  for (const std::string& note : notes) text += fmt::format("note: {}\n", note);
  if (!problems.empty()) text += fmt::format("bad files: {}\n", problems.size());
  const size_t shown = std::min(max_problems, problems.size());
  for (size_t i = 0; i < shown; ++i) text += fmt::format("  {}: {}\n", problems[i].file, problems[i].reason);
  if (shown < problems.size()) {
    text += fmt::format("  … and {} more; all are in {}\n", problems.size() - shown, json.string());
  }
  if (imported > 0) {
    text += fmt::format("imported {} utterances, {:.1f} minutes; {} left out by label, {} bad files", imported,
                        audio_seconds / 60, left_out_by_label(*this), problems.size());
    text += resumed > 0 ? fmt::format("; {} files were decoded before\n", resumed) : "\n";
  }
  return text;
}

std::string ImportReport::to_json() const {
  nlohmann::ordered_json object = {{"format", format}, {"root", root.string()}, {"corpus", out.string()}};
  object["imported"] = imported;
  object["audio_seconds"] = audio_seconds;
  object["labels"] = nlohmann::ordered_json::array();
  for (const Label& label : labels) {
    object["labels"].push_back({{"label", label.source},
                                {"english", label.english},
                                {"emotion", label.emotion},
                                {"utterances", label.utterances},
                                {"reason", label.reason}});
  }
  object["left_out"] = left_out;
  for (size_t i = 0; i < kSplitNames.size(); ++i) {
    object["splits"][std::string(kSplitNames[i])] = {{"utterances", splits[i].utterances},
                                                     {"speakers", splits[i].speakers}};
  }
  object["bad_files"] = nlohmann::ordered_json::array();
  for (const ImportProblem& problem : problems) {
    object["bad_files"].push_back({{"file", problem.file}, {"reason", problem.reason}});
  }
  object["notes"] = notes;
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace prosodia
