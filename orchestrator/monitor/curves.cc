#include "orchestrator/monitor/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/base/markup.h"
#include "orchestrator/monitor/curve_panels.h"
#include "orchestrator/monitor/line_chart.h"
#include "orchestrator/monitor/progress.h"

namespace prosodia {
namespace {

constexpr size_t kPicturePanels = 4;  // of those that have something to show, the first ones go into curves.svg

std::vector<ChartSeries> series_of(const RunHistory& history, const Panel& panel) {
  std::vector<ChartSeries> series;
  for (const auto& [label, name] : panel.series) {
    auto points = history.curve(name);
    if (points.empty()) continue;
    series.push_back({label, std::move(points)});
  }
  if (*panel.open_prefix != '\0')
    for (const std::string& name : history.names_with_prefix(panel.open_prefix))
      series.push_back({name.substr(std::string_view(panel.open_prefix).size()), history.curve(name)});
  return series;
}

ChartOptions options_of(const RunHistory& history, const Panel& panel) {
  return {.title = panel.title,
          .y_min = panel.y_min,
          .y_max = panel.y_max,
          .x_min = static_cast<double>(history.first_step()),
          .x_max = static_cast<double>(history.last_step())};
}

std::string inline_chart(const ChartOptions& options, const std::vector<ChartSeries>& series) {
  return fmt::format(R"(<figure><svg viewBox="0 0 {0:.0f} {1:.0f}" role="img" aria-label="{2}">{3}</svg></figure>)",
                     options.width, options.height, escape_markup(options.title), line_chart(options, series));
}

std::string tile(const std::string& label, const std::string& value) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>", escape_markup(value), escape_markup(label));
}

std::string summary(const RunHistory& history) {
  std::string out = R"(<section class="tiles">)";
  out += tile("optimizer steps", history.total_steps() > 0
                                     ? fmt::format("{} of {}", history.last_step(), history.total_steps())
                                     : fmt::format("{}", history.last_step()));
  const auto change = [&](const char* label, const char* name, int decimals) {
    const auto points = history.curve(name);
    if (points.empty()) return;
    out += tile(label,
                fmt::format("{:.{}f} → {:.{}f}", points.front().smoothed, decimals, points.back().smoothed, decimals));
  };
  change("reward, first → now", metric::kReward, 2);
  change("accuracy, first → now", metric::kAccuracy, 2);
  change("faithfulness, first → now", metric::kFaithfulness, 2);
  if (const double kl = history.last(metric::kKl); std::isfinite(kl)) out += tile("KL now", fmt::format("{:.4f}", kl));
  if (const double tokens = history.last(metric::kNumTokens); std::isfinite(tokens))
    out += tile("tokens", tokens >= 1e6 ? fmt::format("{:.1f}M", tokens / 1e6) : fmt::format("{:.0f}", tokens));
  if (const double ratio = history.last(metric::kEffectiveTraining); std::isfinite(ratio))
    out += tile("effective training time", fmt::format("{:.1f} %", 100 * ratio));
  out += tile("elapsed", format_duration(history.last_wall_time() - history.first_wall_time()));
  return out + "</section>";
}

std::string score_cell(bool there, double value) {
  return there ? fmt::format("<td>{:.2f}</td>", value) : "<td>–</td>";
}

std::string sample_row(const LoggedResponse& logged) {
  const SampledResponse& r = logged.response;
  const bool scored = r.reasoning_status == "value";
  std::string criteria;
  if (scored)
    for (const double value : r.criteria) criteria += fmt::format("{}{:g}", criteria.empty() ? "" : " ", value);
  std::string out = fmt::format(
      R"(<tr><td>{}</td><td class="q">{}<small>{}</small></td><td class="{}">{}</td><td class="r"><pre>{}</pre></td>)",
      logged.step, escape_markup(r.prompt), escape_markup(r.id.empty() ? r.audio : r.id),
      r.accuracy >= 0.5 ? "ok" : "no", escape_markup(r.solution), escape_markup(r.response));
  out += score_cell(r.present, r.total) + score_cell(true, r.format) + score_cell(true, r.accuracy);
  out += scored || r.reasoning_status.empty() ? score_cell(scored, r.reasoning)
                                              : fmt::format("<td>{}</td>", escape_markup(r.reasoning_status));
  out += fmt::format("<td>{}</td>", scored ? criteria : "–") + score_cell(r.has_faithfulness, r.faithfulness);
  out += score_cell(scored, r.trust) + score_cell(r.present, r.advantage);
  return out + fmt::format("<td>{}{}</td></tr>\n", r.num_tokens, r.finish_reason == "length" ? " cut" : "");
}

std::string sample_table(std::span<const LoggedResponse> newest) {
  if (newest.empty()) return "";
  std::string out =
      "<h2>Newest responses</h2><div class=\"scroll\"><table><thead><tr><th>step</th><th>question</th><th>label</th>"
      "<th>response</th><th>R</th><th>R<sub>f</sub></th><th>R<sub>o</sub></th><th>R<sub>t</sub></th><th>criteria</th>"
      "<th>faithful</th><th>trust</th><th>advantage</th><th>tokens</th></tr></thead><tbody>\n";
  for (auto it = newest.rbegin(); it != newest.rend(); ++it) out += sample_row(*it);
  return out + "</tbody></table></div>";
}

constexpr const char* kPageStyle = R"(
:root{color-scheme:light dark;--ink:#1a1a19;--dim:#6b6a64;--page:#f4f3ef;--card:#fcfcfb;--line:#e1e0d9;--ok:#0a7a4f;--no:#b3312f}
@media (prefers-color-scheme:dark){:root{--ink:#f2f1ec;--dim:#a3a199;--page:#121211;--card:#1a1a19;--line:#33322e;--ok:#3fbf8a;--no:#ec8080}}
body{margin:0;padding:24px;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
main{max-width:1240px;margin:auto}h1{font-size:22px;margin:0 0 16px}h2{font-size:16px;margin:28px 0 12px}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin-bottom:20px}.tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px}
.tiles b{display:block;font-size:18px}.tiles span{color:var(--dim);font-size:12px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(480px,100%),1fr));gap:16px}
figure{margin:0;padding:12px;background:var(--card);border:1px solid var(--line);border-radius:8px}svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:8px 10px;text-align:right;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-weight:500;font-size:12px}td.q,td.r,th:nth-child(2),th:nth-child(3),th:nth-child(4),td:nth-child(3){text-align:left}
td.q{white-space:normal;min-width:150px;max-width:240px}td.q small{display:block;color:var(--dim);overflow-wrap:anywhere}
td.r{min-width:340px}pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:12px/1.45 ui-monospace,Menlo,Consolas,monospace;max-height:150px;overflow-y:auto}
.ok{color:var(--ok);font-weight:600}.no{color:var(--no);font-weight:600}
)";

}  // namespace

std::string curves_svg(const RunHistory& history, const std::string& title) {
  constexpr double kTop = 44, kGap = 16;
  const ChartOptions size;
  std::string charts;
  size_t drawn = 0;
  for (const Panel& panel : curve_panels()) {
    if (drawn == kPicturePanels) break;
    const auto series = series_of(history, panel);
    if (series.empty()) continue;
    const double x = kGap + static_cast<double>(drawn % 2) * (size.width + kGap);
    const double y = kTop + static_cast<double>(drawn / 2) * (size.height + kGap);
    ++drawn;
    charts += fmt::format(R"svg(<g transform="translate({:.0f} {:.0f})">{}</g>)svg", x, y,
                          line_chart(options_of(history, panel), series));
  }
  const double width = 2 * size.width + 3 * kGap;
  const double height = kTop + static_cast<double>((drawn + 1) / 2) * (size.height + kGap);
  const std::string steps = history.total_steps() > 0
                                ? fmt::format("step {} of {}", history.last_step(), history.total_steps())
                                : fmt::format("step {}", history.last_step());
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}"><style>{2}</style>)"
      R"(<rect class="surface" width="{0:.0f}" height="{1:.0f}"/><g class="chart"><text class="title" x="24" y="28">{3}</text>)"
      R"(<text class="dim" x="{4:.0f}" y="28" text-anchor="end">{5}</text></g>{6}</svg>)"
      "\n",
      width, height, chart_style(), escape_markup(title), width - 24, steps, charts);
}

std::string report_html(const RunHistory& history, std::span<const LoggedResponse> newest, const std::string& title,
                        RunState state) {
  std::string charts;
  for (const Panel& panel : curve_panels())
    if (const auto series = series_of(history, panel); !series.empty())
      charts += inline_chart(options_of(history, panel), series);
  const char* reload = state == RunState::kRunning ? "<meta http-equiv=\"refresh\" content=\"30\">" : "";
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">{0}<title>{1}</title><style>{2}{3}</style></head>\n<body><main>"
      "<h1>{1}</h1>{4}<section class=\"charts\">{5}</section>\n{6}</main></body></html>\n",
      reload, escape_markup(title), kPageStyle, chart_style(), summary(history), charts, sample_table(newest));
}

}  // namespace prosodia
