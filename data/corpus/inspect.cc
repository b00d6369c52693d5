#include "data/corpus/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace prosodia {
namespace {

using Counts = std::map<std::string, std::map<std::string, int>>;  // row -> column -> count

std::string table(std::string_view title, const Counts& counts) {
  std::set<std::string> columns;
  size_t width = title.size();
  for (const auto& [row, cells] : counts) {
    width = std::max(width, row.size());
    for (const auto& [column, count] : cells) columns.insert(column);
  }
  std::string text = fmt::format("\n{:<{}}", title, width);
  for (const std::string& column : columns) text += fmt::format("  {:>8}", column);
  text += '\n';
  for (const auto& [row, cells] : counts) {
    text += fmt::format("{:<{}}", row, width);
    for (const std::string& column : columns) {
      const auto cell = cells.find(column);
      text += fmt::format("  {:>{}}", cell == cells.end() ? 0 : cell->second, std::max<size_t>(8, column.size()));
    }
    text += '\n';
  }
  return text;
}

std::string levels_text(const CorpusReader& corpus) {
  std::string text = "\nlevels (controlled / measured utterances)\n";
  for (Attribute attribute : kAcousticAttributes) {
    text += fmt::format("  {:<11}", attribute_name(attribute));
    for (std::string_view level : level_names(attribute)) {
      int controlled = 0, measured = 0;
      for (size_t i = 0; i < corpus.size(); ++i) {
        controlled += corpus.info(i).controlled[attribute] == level;
        measured += corpus.info(i).levels[attribute] == level;
      }
      text += fmt::format("  {} {}/{}", level, controlled, measured);
    }
    text += '\n';
  }
  return text;
}

std::string confusion_text(const CorpusReader& corpus, Attribute attribute) {
  Counts counts;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const auto& info = corpus.info(i);
    if (info.controlled[attribute].empty()) continue;
    const std::string& seen = info.levels[attribute];
    ++counts[info.controlled[attribute]][seen.empty() ? "?" : seen];
  }
  if (counts.empty()) return "";
  return table(fmt::format("{}: controlled \\ measured", attribute_name(attribute)), counts);
}

std::string agreement_text(const CorpusReader& corpus) {
  std::string text = "\nagreement of measured with controlled levels\n";
  for (const auto& [attribute, agreement] : level_agreement(corpus, "")) {
    text += fmt::format("  {:<11} {:.3f}  ({} of {}; undetermined {})\n", attribute_name(attribute), agreement.rate(),
                        agreement.equal, agreement.both, agreement.undetermined);
  }
  return text;
}

// "source: ravdess 256" for labels with few values each.
std::string counts_line(const CorpusReader& corpus, std::string_view title, std::string UtteranceInfo::*field) {
  std::map<std::string, int> counts;
  for (size_t i = 0; i < corpus.size(); ++i) ++counts[corpus.info(i).*field];
  std::string text = fmt::format("{}:", title);
  for (const auto& [value, count] : counts) text += fmt::format(" {} {}", value.empty() ? "(not known)" : value, count);
  return text + "\n";
}

std::string words_line(const CorpusReader& corpus) {
  size_t utterances = 0, words = 0, estimated = 0, stressed = 0;
  for (size_t i = 0; i < corpus.size(); ++i) {
    utterances += !corpus.info(i).words.empty();
    for (const Word& word : corpus.info(i).words) {
      ++words;
      estimated += word.is_estimated;
      stressed += word.stressed;
    }
  }
  return fmt::format("words in time: {} in {} utterances, {} of them estimated; {} stressed\n", words, utterances,
                     estimated, stressed);
}

// Values that occur with more than one split.
std::vector<std::string> shared_between_splits(const CorpusReader& corpus, std::string UtteranceInfo::*field) {
  std::map<std::string, std::set<std::string>> splits;
  for (size_t i = 0; i < corpus.size(); ++i) splits[corpus.info(i).*field].insert(corpus.info(i).split);
  std::vector<std::string> shared;
  for (const auto& [value, where] : splits) {
    if (where.size() > 1 && !value.empty()) shared.push_back(value);
  }
  return shared;
}

// Clips that are the same to the sample, one of each pair of splits named.
std::vector<std::string> clips_in_two_splits(const CorpusReader& corpus) {
  std::map<std::pair<uint32_t, double>, std::vector<size_t>> same;  // checksum and length -> clips
  for (size_t i = 0; i < corpus.size(); ++i) same[{corpus.audio_crc32c(i), corpus.seconds(i)}].push_back(i);
  std::vector<std::string> pairs;
  for (const auto& [key, clips] : same) {
    for (const size_t other : clips) {
      const UtteranceInfo &a = corpus.info(clips[0]), &b = corpus.info(other);
      if (a.split == b.split) continue;
      const auto one = corpus.read_audio(clips[0]), two = corpus.read_audio(other);
      if (one && two && one->samples != two->samples) continue;  // only their checksums are the same
      pairs.push_back(fmt::format("{} ({}) = {} ({})", a.id, a.split, b.id, b.split));
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

std::string leakage_text(const CorpusReader& corpus) {
  const Leakage leakage = split_leakage(corpus);
  const auto line = [](std::string_view what, const std::vector<std::string>& values) {
    if (values.empty()) return fmt::format("  no {} occurs in two splits\n", what);
    std::string text = fmt::format("  WARNING: {} {}s occur in two splits:", values.size(), what);
    for (size_t i = 0; i < std::min<size_t>(values.size(), 5); ++i) text += fmt::format(" \"{}\"", values[i]);
    return text + (values.size() > 5 ? " …\n" : "\n");
  };
  return "\nleakage\n" + line("speaker", leakage.speakers) + line("sentence", leakage.sentences) +
         line("clip", leakage.clips);
}

}  // namespace

std::map<Attribute, Agreement> level_agreement(const CorpusReader& corpus, std::string_view split) {
  std::map<Attribute, Agreement> result;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const UtteranceInfo& info = corpus.info(i);
    if (!split.empty() && info.split != split) continue;
    for (Attribute attribute : kAcousticAttributes) {
      const std::string& controlled = info.controlled[attribute];
      const std::string& measured = info.levels[attribute];
      if (controlled.empty()) continue;
      Agreement& agreement = result[attribute];
      agreement.both += !measured.empty();
      agreement.equal += controlled == measured;
      agreement.undetermined += measured.empty();
    }
  }
  return result;
}

Leakage split_leakage(const CorpusReader& corpus) {
  return {shared_between_splits(corpus, &UtteranceInfo::speaker),
          shared_between_splits(corpus, &UtteranceInfo::transcript), clips_in_two_splits(corpus)};
}

std::string inspect_text(const CorpusReader& corpus) {
  double seconds = 0;
  Counts emotions, speakers, genders;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const UtteranceInfo& info = corpus.info(i);
    seconds += corpus.seconds(i);
    ++emotions[info.emotion][info.split];
    ++speakers[info.speaker][info.split];
    ++genders[info.gender][info.split];
  }
  std::string text =
      fmt::format("{}\n{}\n{} utterances, {:.1f} minutes at {} Hz, {} speakers\n", corpus.path().string(),
                  corpus.description(), corpus.size(), seconds / 60, corpus.sample_rate_hz(), speakers.size());
  text += counts_line(corpus, "source", &UtteranceInfo::source) +
          counts_line(corpus, "language", &UtteranceInfo::language) +
          counts_line(corpus, "age group", &UtteranceInfo::age_group) + words_line(corpus);
  text += table("emotion", emotions) + table("gender", genders) + table("speaker", speakers) + levels_text(corpus) +
          agreement_text(corpus);
  for (Attribute attribute : kAcousticAttributes) text += confusion_text(corpus, attribute);
  return text + leakage_text(corpus);
}

}  // namespace prosodia
