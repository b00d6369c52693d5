#include "data/card/dataset_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/base/html_page.h"
#include "data/base/markup.h"
#include "data/card/card_stats.h"
#include "data/card/histograms_svg.h"
#include "data/card/sample_figure.h"
#include "data/corpus/inspect.h"
#include "data/store/atomic_file.h"

namespace prosodia {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--f0:#c2410c;--en:#0f766e;--wave:#b9c7d6}
@media (prefers-color-scheme:dark){:root{--f0:#fb923c;--en:#5eead4;--wave:#465466}}
nav{display:flex;flex-wrap:wrap;gap:6px 14px;margin:20px 0 0}a{color:var(--bar)}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:22px}
.grid2>*{min-width:0}
h3{font-size:15px;margin:0 0 4px}h3 small{color:var(--soft);font-weight:400}
table.counts{font-size:14px}table.counts thead th:first-child{text-align:left}
.levels th,.levels td{padding:5px 7px}
figure.sample{margin:0;padding:12px 14px;background:var(--card);border:1px solid var(--line);border-radius:8px}
figcaption .id{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
audio{width:100%;height:36px;display:block;margin:6px 0}
.said{margin:6px 0;overflow-wrap:anywhere}.said strong{color:var(--f0)}.said em{color:var(--soft)}
ul.labels{display:flex;flex-wrap:wrap;gap:2px 12px;list-style:none;padding:0;margin:0;font-size:13px}
ul.labels span{color:var(--soft)}ul.labels li{overflow-wrap:anywhere;min-width:0}
.hist{fill:var(--bar);opacity:.55}svg.wave{width:100%}svg.chart{width:100%}svg.chart text,svg.wave text{font-size:14px}
.wave .w{stroke:var(--wave);fill:none;stroke-width:1}
.wave .f0{stroke:var(--f0);fill:none;stroke-width:2.2;stroke-linecap:round;stroke-linejoin:round}
.wave .en{stroke:var(--en);fill:none;stroke-width:1.4}
.wave .word{fill:var(--soft);opacity:.5}.wave .stressed{fill:var(--f0);opacity:1}
svg text.f0t{fill:var(--f0)}svg text.ent{fill:var(--en)}
.key{font-size:13px;color:var(--soft)}.key b{font-weight:600}.key .f{color:var(--f0)}.key .e{color:var(--en)}
.bad{color:var(--f0);font-weight:600}.good{color:var(--en);font-weight:600}
details{margin:8px 0}summary{cursor:pointer}
)css";

std::string table_head(std::string_view corner, const std::vector<std::string>& columns) {
  std::string html =
      fmt::format("<div class=\"scroll\"><table class=\"counts\"><thead><tr><th scope=\"col\">{}</th>", corner);
  for (const std::string& column : columns) html += fmt::format("<th scope=\"col\">{}</th>", escape_markup(column));
  return html + "</tr></thead><tbody>\n";
}
constexpr std::string_view kTableEnd = "</tbody></table></div>\n";

std::string count_cells(const CountTable& table, const std::string& row) {
  std::string html = fmt::format("<tr><th scope=\"row\">{}</th>", escape_markup(row));
  for (const std::string& column : table.columns) html += fmt::format("<td>{}</td>", table.at(row, column));
  return html;
}

bool is_known(const CountTable& table) { return table.rows.size() != 1 || table.rows[0] != kUnknown; }

std::string counts_html(std::string_view title, const CountTable& table) {
  std::vector<std::string> columns = table.columns;
  columns.emplace_back("all");
  std::string html = table_head(escape_markup(title), columns);
  for (const std::string& row : table.rows) {
    html += count_cells(table, row) + fmt::format("<td><b>{}</b></td></tr>\n", table.row_total(row));
  }
  return html + std::string(kTableEnd);
}

std::string counts_section(const CorpusReader& corpus) {
  const auto split = [](const UtteranceInfo& info) { return info.split; };
  const auto by = [&](std::string UtteranceInfo::*field) {
    return count_by(
        corpus, [field](const UtteranceInfo& info) { return info.*field; }, split);
  };
  std::string html = "<section id=\"counts\"><h2>Utterances</h2>\n<div class=\"grid2\">";
  html += "<div>" + counts_html("emotion", by(&UtteranceInfo::emotion)) + "</div><div>";
  for (const auto& [title, field] : {std::pair("gender", &UtteranceInfo::gender),
                                     {"age group", &UtteranceInfo::age_group},
                                     {"language", &UtteranceInfo::language},
                                     {"source", &UtteranceInfo::source}}) {
    const CountTable table = by(field);
    if (is_known(table)) html += counts_html(title, table) + "<br>";
  }
  html += "</div></div>\n";
  const CountTable labels = count_by(
      corpus,
      [](const UtteranceInfo& info) {
        return info.source_label.empty() ? "" : fmt::format("{}: {}", info.source, info.source_label);
      },
      [](const UtteranceInfo& info) { return info.emotion; });
  const CountTable speakers = by(&UtteranceInfo::speaker);
  if (is_known(labels))
    html +=
        fmt::format("<details><summary>{} labels as released, and the emotion they became</summary>\n{}</details>\n",
                    labels.rows.size(), counts_html("source: label", labels));
  html +=
      fmt::format("<details{}><summary>{} speakers</summary>\n{}</details>\n",
                  speakers.rows.size() <= 12 ? " open" : "", speakers.rows.size(), counts_html("speaker", speakers));
  return html + "</section>\n";
}

// Levels of an attribute: shares within each emotion, as shading.
std::string levels_html(const CorpusReader& corpus, Attribute attribute) {
  const CountTable table = count_levels(corpus, attribute);
  int total = 0;
  for (const std::string& row : table.rows) total += table.row_total(row);
  if (total == 0) return {};
  std::string html = fmt::format("<div><h3>{} <small>{} utterances</small></h3>", attribute_name(attribute), total) +
                     table_head("emotion", table.columns);
  for (const std::string& row : table.rows) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escape_markup(row));
    const int all = table.row_total(row);
    for (const std::string& column : table.columns) {
      const double share = all > 0 ? static_cast<double>(table.at(row, column)) / all : 0;
      html += fmt::format("<td class=\"cell\" style=\"--a:{:.3f}\" title=\"{:.0f} % of {}\">{}</td>", 0.75 * share,
                          100 * share, all, table.at(row, column));
    }
    html += "</tr>\n";
  }
  return html + std::string(kTableEnd) + "</div>\n";
}

std::string levels_section(const CorpusReader& corpus) {
  std::string html;
  for (const Attribute attribute : kAcousticAttributes) html += levels_html(corpus, attribute);
  if (html.empty()) {
    return "<section id=\"levels\"><h2>Prosody levels</h2>\n<p class=\"note\">No utterance has levels yet: "
           "<code>prosodia data annotate</code> measures them.</p></section>\n";
  }
  return "<section id=\"levels\"><h2>Prosody levels</h2>\n<p class=\"note\">Utterances by emotion and measured level. "
         "Shading: share of the emotion.</p>\n<div class=\"grid2 levels\">" +
         html + "</div></section>\n";
}

std::string distributions_section(const CorpusReader& corpus) {
  std::string html =
      "<section id=\"distributions\"><h2>Physical distributions</h2>\n<p class=\"note\">One row an emotion, each "
      "scaled "
      "to its own highest bin; the line and the number at the right are the median. Values beyond the 1st and 99th "
      "percentile count in the outermost bins.</p>\n<div class=\"grid2\">";
  for (const Quantity& quantity : quantities()) {
    const std::string svg =
        histograms_svg(quantity.name, quantity.unit, emotions_of(corpus), values_by_emotion(corpus, quantity));
    if (svg.empty()) continue;
    html += fmt::format("<div><h3>{} <small>{}</small></h3>{}</div>\n", quantity.name, quantity.unit, svg);
  }
  return html + "</div></section>\n";
}

// `count` utterances of each emotion in turn, evenly spaced over the emotion's, so that speakers differ.
std::vector<size_t> choose_samples(const CorpusReader& corpus, int count) {
  std::map<std::string, std::vector<size_t>> by_emotion;
  for (size_t i = 0; i < corpus.size(); ++i) by_emotion[corpus.info(i).emotion].push_back(i);
  std::vector<size_t> chosen;
  size_t left = static_cast<size_t>(count), emotions = by_emotion.size();
  for (const std::string& name : emotions_of(corpus)) {
    const auto& all = by_emotion[name == kUnknown ? "" : name];
    const size_t wanted = std::min(all.size(), (left + emotions - 1) / emotions);
    for (size_t k = 0; k < wanted; ++k) chosen.push_back(all[(2 * k + 1) * all.size() / (2 * wanted)]);
    left -= wanted;
    --emotions;
  }
  return chosen;
}

Result<std::string> samples_section(const CorpusReader& corpus, int count) {
  const auto chosen = choose_samples(corpus, count);
  if (chosen.empty()) return std::string();
  std::string html =
      "<section id=\"samples\"><h2>Samples</h2>\n<p class=\"key\"><b class=\"f\">Pitch</b> in Hz, left, logarithmic. "
      "<b class=\"e\">Energy</b> in dBFS, right. Grey: the waveform, scaled to its peak. Marks below: words, "
      "<b class=\"f\">stressed</b> ones in colour.</p>\n<div class=\"grid2\">\n";
  for (const size_t index : chosen) {
    PROSODIA_ASSIGN(const Utterance utterance, corpus.read(index));
    PROSODIA_ASSIGN(const std::string figure, sample_figure(utterance));
    html += figure;
  }
  return html + "</div></section>\n";
}

std::string leak_line(std::string_view what, const std::vector<std::string>& values) {
  if (values.empty()) return fmt::format("<li><span class=\"good\">none</span> {}</li>\n", what);
  std::string html = fmt::format("<li><span class=\"bad\">{}</span> {}", values.size(), what);
  html += "<details><summary>which</summary><ul>";
  constexpr size_t kShown = 50;
  for (size_t i = 0; i < std::min(values.size(), kShown); ++i) html += "<li>" + escape_markup(values[i]) + "</li>";
  if (values.size() > kShown) html += fmt::format("<li>… and {} more</li>", values.size() - kShown);
  return html + "</ul></details></li>\n";
}

std::string leakage_section(const Leakage& leakage) {
  return "<section id=\"leakage\"><h2>Leakage between splits</h2>\n<ul>" +
         leak_line("of the speakers are in more than one split", leakage.speakers) +
         leak_line("of the sentences are in more than one split", leakage.sentences) +
         leak_line("of the clips have the same audio as one of another split", leakage.clips) + "</ul></section>\n";
}

std::string missing_section(const CorpusReader& corpus) {
  std::string html =
      "<section id=\"missing\"><h2>Missing values</h2>\n" + table_head("what", {"utterances without", "share"});
  for (const Missing& missing : missing_values(corpus)) {
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{:.1f} %</td></tr>\n", escape_markup(missing.what),
                        missing.utterances,
                        corpus.size() > 0 ? 100.0 * missing.utterances / static_cast<double>(corpus.size()) : 0.0);
  }
  return html + std::string(kTableEnd) + "</section>\n";
}

std::string cards(const CorpusReader& corpus, const Leakage& leakage) {
  double seconds = 0;
  std::set<std::string> speakers, sentences;
  for (size_t i = 0; i < corpus.size(); ++i) {
    seconds += corpus.seconds(i);
    if (!corpus.info(i).speaker.empty()) speakers.insert(corpus.info(i).speaker);
    if (!corpus.info(i).transcript.empty()) sentences.insert(corpus.info(i).transcript);
  }
  const size_t leaks = leakage.speakers.size() + leakage.clips.size();
  return "<div class=\"cards\">" + html_card("utterances", fmt::format("{}", corpus.size()), "") +
         html_card("minutes of audio", fmt::format("{:.1f}", seconds / 60),
                   fmt::format("{} Hz, mono", corpus.sample_rate_hz())) +
         html_card("speakers", fmt::format("{}", speakers.size()), "") +
         html_card("emotions", fmt::format("{}", emotions_of(corpus).size()), "") +
         html_card("different sentences", fmt::format("{}", sentences.size()), "") +
         html_card("speakers and clips that leak", fmt::format("{}", leaks), "between splits") + "</div>\n";
}

}  // namespace

Result<std::string> dataset_card_html(const CorpusReader& corpus, const CardOptions& options) {
  if (options.samples < 0) return fail(ErrorCode::kUsage, "--samples {}: expected 0 or more", options.samples);
  PROSODIA_ASSIGN(const std::string samples, samples_section(corpus, options.samples));
  const Leakage leakage = split_leakage(corpus);
  std::string body = cards(corpus, leakage);
  body +=
      "<nav aria-label=\"sections\"><a href=\"#counts\">Utterances</a><a href=\"#levels\">Prosody levels</a>"
      "<a href=\"#distributions\">Distributions</a>";
  if (!samples.empty()) body += "<a href=\"#samples\">Samples</a>";
  body += "<a href=\"#leakage\">Leakage</a><a href=\"#missing\">Missing values</a></nav>\n";
  body += counts_section(corpus) + levels_section(corpus) + distributions_section(corpus) + samples +
          leakage_section(leakage) + missing_section(corpus);
  return html_page(corpus.path().filename().string(), escape_markup(corpus.description()), kStyle, body);
}

Status write_dataset_card(const CorpusReader& corpus, const CardOptions& options, const std::filesystem::path& path) {
  PROSODIA_ASSIGN(const std::string html, dataset_card_html(corpus, options));
  return write_file_atomic(posix_file_system(), path, html);
}

}  // namespace prosodia
