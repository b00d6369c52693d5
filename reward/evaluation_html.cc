// The HTML pages of evaluation_report.h and evaluation_sets_report.h: self-contained, no scripts, no outside resources,
// readable in light and dark, on a phone and on paper.
#include <algorithm>
#include <cmath>

#include "data/base/html_page.h"
#include "data/base/markup.h"
#include "reward/evaluation_report.h"
#include "reward/evaluation_sets_report.h"
#include "reward/evaluation_tables.h"
#include "reward/report_numbers.h"

namespace prosodia {
namespace {

// Beyond the common style of html_page.h.
constexpr std::string_view kStyle = R"css(
h3{font-size:15px;margin:24px 0 8px}
h2.set{font-size:21px;border-top:1px solid var(--line);padding-top:24px;overflow-wrap:anywhere}
.wide{font-size:14px;border-collapse:separate;border-spacing:0}.wide td{white-space:nowrap;vertical-align:top}
.wide td small{display:block;color:var(--soft);font-size:12px}
.wide th{overflow-wrap:break-word;min-width:72px;vertical-align:bottom}
.wide th:first-child{text-align:left;position:sticky;left:0;background:var(--bg)}
.wide th[scope=row]{vertical-align:top;white-space:normal}
.confusion td{text-align:center;min-width:54px;border:1px solid var(--line);background:rgba(var(--cell),var(--a,0))}
.confusion td.hit{outline:2px solid var(--bar);outline-offset:-2px}
.confusion th.col{text-align:center;vertical-align:bottom;max-width:90px}
svg{min-width:640px;margin-bottom:16px}
)css";

std::string interval(const Estimate& estimate, int decimals) {
  if (!std::isfinite(estimate.low)) return {};
  return fmt::format("{} – {}", shown_number(estimate.low, decimals), shown_number(estimate.high, decimals));
}

std::string card(std::string_view name, const Estimate& estimate, int decimals) {
  return html_card(name, shown_number(estimate.value, decimals), interval(estimate, decimals));
}

std::string cards(const EvalReport& report) {
  return "<div class=\"cards\">" + card("accuracy", report.accuracy, 3) +
         card("unweighted average recall", report.unweighted_average_recall, 3) + card("macro-F1", report.macro_f1, 3) +
         card("format rate", report.format_rate, 3) + card("reasoning quality (1–5)", report.criteria_mean, 2) +
         card("faithfulness precision", report.faithfulness_precision, 3) +
         card("faithfulness recall", report.faithfulness_recall, 3) + "</div>\n";
}

struct Bar {
  std::string label;
  Estimate estimate;
  std::string after;  // beside the number
};

// Horizontal bars from `origin` to `top`, with the interval as a whisker.
std::string bar_chart(std::string_view title, const std::vector<Bar>& bars, double origin, double top, int decimals) {
  constexpr double kLeft = 210, kWidth = 460, kRow = 30, kTop = 8;
  const double height = kTop + kRow * static_cast<double>(bars.size()) + 26;
  const auto x = [&](double value) { return kLeft + kWidth * std::clamp((value - origin) / (top - origin), 0.0, 1.0); };
  std::string svg =
      fmt::format(R"(<div class="scroll"><svg viewBox="0 0 880 {:.0f}" width="880" role="img" aria-label="{}">)",
                  height, escape_markup(title));
  for (int tick = 0; tick <= 4; ++tick) {
    const double value = origin + (top - origin) * tick / 4;
    svg += fmt::format(R"(<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.0f}" y2="{2:.1f}"/>)"
                       R"(<text class="soft" x="{0:.1f}" y="{3:.1f}" text-anchor="middle">{4:g}</text>)",
                       x(value), kTop, height - 22, height - 6, value);
  }
  for (size_t i = 0; i < bars.size(); ++i) {
    const Bar& bar = bars[i];
    const double y = kTop + kRow * static_cast<double>(i), middle = y + kRow / 2;
    svg += fmt::format(R"(<text x="{:.0f}" y="{:.1f}" text-anchor="end">{}</text>)", kLeft - 10, middle + 4.5,
                       escape_markup(bar.label));
    if (std::isfinite(bar.estimate.value)) {
      svg += fmt::format(R"(<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="16" rx="2"/>)", kLeft,
                         middle - 8, x(bar.estimate.value) - kLeft);
    }
    if (std::isfinite(bar.estimate.low)) {
      svg += fmt::format(
          R"(<path class="ci" fill="none" d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v8M{1:.1f} {3:.1f}v8"/>)",
          x(bar.estimate.low), x(bar.estimate.high), middle, middle - 4);
    }
    svg += fmt::format(R"(<text x="{:.0f}" y="{:.1f}">{}<tspan class="soft">{}</tspan></text>)", kLeft + kWidth + 12,
                       middle + 4.5, shown_number(bar.estimate.value, decimals), escape_markup(bar.after));
  }
  return svg + "</svg></div>\n";
}

std::string label_section(const EvalReport& report) {
  std::vector<Bar> bars;
  for (const LabelMetrics& label : report.labels) {
    bars.push_back({label.label, label.recall, fmt::format("  of {}", label.support)});
  }
  std::string html = "<h2>Recall per emotion</h2>\n" + bar_chart("recall per emotion", bars, 0, 1, 3);
  html += "<div class=\"scroll\"><table><thead><tr><th scope=\"col\" style=\"text-align:left\">emotion</th>";
  for (const auto* column : {"support", "predicted", "correct", "recall", "precision", "F1"}) {
    html += fmt::format("<th scope=\"col\">{}</th>", column);
  }
  html += "</tr></thead><tbody>\n";
  for (const LabelMetrics& label : report.labels) {
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escape_markup(label.label), label.support, label.predicted, label.correct, shown_number(label.recall.value, 3),
        shown_number(label.precision.value, 3), shown_number(label.f1.value, 3));
  }
  return html + "</tbody></table></div>\n";
}

std::string confusion_section(const EvalReport& report) {
  std::string html =
      "<h2>Confusion</h2>\n<p class=\"note\">Rows: the reference. Columns: the answer. Shading: share of the row. "
      "“other”: no answer, several answers, or a word that is no label.</p>\n"
      "<div class=\"scroll\"><table class=\"confusion\"><thead><tr><th></th>";
  for (const LabelMetrics& label : report.labels) {
    html += fmt::format("<th class=\"col\" scope=\"col\">{}</th>", escape_markup(label.label));
  }
  html += "<th class=\"col\" scope=\"col\">other</th></tr></thead><tbody>\n";
  for (size_t row = 0; row < report.confusion.size(); ++row) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escape_markup(report.labels[row].label));
    for (size_t column = 0; column < report.confusion[row].size(); ++column) {
      const int64_t count = report.confusion[row][column], support = report.labels[row].support;
      const double share = support ? static_cast<double>(count) / static_cast<double>(support) : 0;
      html += fmt::format("<td{} style=\"--a:{:.3f}\" title=\"{} answered {}: {:.1f} %\">{}</td>",
                          row == column ? " class=\"hit\"" : "", 0.75 * share, escape_markup(report.labels[row].label),
                          column < report.labels.size() ? escape_markup(report.labels[column].label) : "other",
                          100 * share, count);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string criteria_section(const EvalReport& report) {
  if (!report.graded) return "<h2>Reasoning</h2>\n<p class=\"note\">No response was graded.</p>\n";
  std::vector<Bar> bars;
  for (size_t j = 0; j < kNumCriteria; ++j) {
    std::string label(name(static_cast<Criterion>(j)));
    std::replace(label.begin(), label.end(), '_', ' ');
    bars.push_back({std::move(label), report.criteria[j], {}});
  }
  return "<h2>Reasoning</h2>\n" + bar_chart("four reasoning criteria, 1 to 5", bars, 1, 5, 2) +
         fmt::format("<p class=\"note\">Means over {} graded responses, each criterion from 1 to 5.</p>\n",
                     report.graded);
}

std::string meta_line(const EvalReport& report, const EvalPageInfo& info) {
  std::string line = fmt::format("{} records", report.records);
  for (const auto& [key, value] : {std::pair<std::string_view, const std::string&>{"model", info.model},
                                   {"data", info.dataset},
                                   {"decoding", info.decoding}}) {
    if (!value.empty()) line += fmt::format(" · {}: {}", key, escape_markup(value));
  }
  if (report.options.bootstrap_samples) {
    line += fmt::format(" · intervals: {:g} % percentile bootstrap, {} resamples, seed {}",
                        report.options.confidence * 100, report.options.bootstrap_samples, report.options.seed);
  }
  return line;
}

}  // namespace

namespace {

std::string page(const std::string& title, const std::string& meta, const std::string& body) {
  return html_page(title, meta, kStyle, body);
}

std::string cell_html(const std::string& text) {
  const size_t line = text.find('\n');
  if (line == std::string::npos) return escape_markup(text);
  std::string rest = escape_markup(text.substr(line + 1));
  for (size_t at; (at = rest.find('\n')) != std::string::npos;) rest.replace(at, 1, "<br>");
  return fmt::format("{}<small>{}</small>", escape_markup(text.substr(0, line)), rest);
}

std::string table_section(const EvalTable& table, std::string_view heading = "h2") {
  if (table.rows.empty()) return {};
  std::string html = fmt::format("<{0}>{1}</{0}>\n", heading, escape_markup(table.title));
  if (!table.note.empty()) html += fmt::format("<p class=\"note\">{}</p>\n", escape_markup(table.note));
  html += "<div class=\"scroll\"><table class=\"wide\"><thead><tr>";
  for (const std::string& column : table.columns)
    html += fmt::format("<th scope=\"col\">{}</th>", escape_markup(column));
  html += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escape_markup(row[0]));
    for (size_t c = 1; c < row.size(); ++c) html += fmt::format("<td>{}</td>", cell_html(row[c]));
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string prosody_section(const EvalSummary& summary) {
  std::string html = table_section(prosody_table(summary));
  for (const EvalSetReport& set : summary.sets) {
    if (!set.prosody) continue;
    std::vector<Bar> bars;
    for (const LabelMetrics& label : set.prosody->labels)
      bars.push_back({label.label, label.recall, fmt::format("  of {}", label.support)});
    html += fmt::format("<h3>{}</h3>\n", escape_markup(set.name)) + bar_chart("accuracy per attribute", bars, 0, 1, 3);
  }
  return html;
}

}  // namespace

std::string to_html(const EvalReport& report, const EvalPageInfo& info) {
  return page(info.title, meta_line(report, info),
              cards(report) + label_section(report) + confusion_section(report) + criteria_section(report));
}

std::string to_html(const EvalSummary& summary, const EvalPageInfo& info, const std::string& scorer) {
  std::string body;
  EvalReport totals;  // of what the line under the title says
  int64_t emotion_sets = 0;
  for (const EvalSetReport& set : summary.sets)
    for (const auto* report : {&set.emotion, &set.prosody}) {
      if (!*report) continue;
      totals.options = (*report)->options;
      totals.records += (*report)->records;
      emotion_sets += report == &set.emotion;
    }
  if (summary.emotion_average) body += cards(*summary.emotion_average);
  if (emotion_sets > 1)
    body += table_section(overview_table(summary)) + table_section(reasoning_table(summary, scorer));
  body += prosody_section(summary);
  for (const EvalSetReport& set : summary.sets) {
    if (!set.emotion) continue;
    if (emotion_sets > 1) body += fmt::format("<h2 class=\"set\">{}</h2>\n", escape_markup(set.name));
    if (emotion_sets == 1) body += cards(*set.emotion);
    body += label_section(*set.emotion) + confusion_section(*set.emotion);
    if (emotion_sets == 1)
      body +=
          criteria_section(*set.emotion) + fmt::format("<p class=\"note\">Graded by: {}.</p>\n", escape_markup(scorer));
  }
  return page(info.title, meta_line(totals, info), body);
}

std::string comparison_html(const std::vector<std::pair<std::string, Comparison>>& decodings,
                            const std::string& title) {
  std::string body, meta;
  for (const auto& [decoding, comparison] : decodings) {
    meta = fmt::format(
        "{} runs, the first is the reference · {:g} % intervals and two-sided p from a paired bootstrap, {} resamples, "
        "seed {}{}",
        comparison.runs.size(), comparison.options.confidence * 100, comparison.options.bootstrap_samples,
        comparison.options.seed, comparison.runs.size() > 2 ? " · Holm: corrected over the runs" : "");
    body += fmt::format("<h2>{}</h2>\n", escape_markup(decoding));
    if (const EvalTable runs = runs_table(comparison); !runs.rows.empty()) body += table_section(runs, "h3");
    for (const SetComparison& set : comparison.sets) body += table_section(comparison_table(comparison, set), "h3");
  }
  return page(title, meta, body);
}

}  // namespace prosodia
