#include "orchestrator/report/page.h"

#include <fmt/format.h>

#include "data/base/markup.h"
#include "orchestrator/report/page_json.h"

namespace prosodia {

// page/*.css and page/*.js: see CMakeLists.txt.
std::string_view report_styles();
std::string_view report_scripts();

namespace {

std::string title_of(std::span<const ShownRun> runs) {
  std::string title;
  for (const ShownRun& run : runs) title += (title.empty() ? "" : ", ") + run.name;
  return title;
}

// A section is empty until its script fills it, and stays hidden when there is nothing to show.
std::string sections() {
  std::string html;
  const std::pair<const char*, const char*> kSections[] = {{"curves", "Curves"},        {"emotions", "Emotions"},
                                                           {"rollouts", "Rollouts"},    {"timeline", "Timeline"},
                                                           {"config", "Configuration"}, {"notes", "About this page"}};
  for (const auto& [id, name] : kSections)
    html += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\" hidden><h2 id=\"{0}-title\">{1}</h2></section>\n", id, name);
  return html;
}

std::string clip_templates(std::span<const ShownRun> runs) {
  std::string html;
  for (size_t r = 0; r < runs.size(); ++r)
    for (size_t i = 0; i < runs[r].clips.size(); ++i)
      html += fmt::format("<template id=\"clip-{}-{}\">{}</template>\n", r, i, runs[r].clips[i].markup);
  return html;
}

}  // namespace

std::string report_page(std::span<const ShownRun> runs) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src data:; img-src "
      "data:\">\n<title>{0}</title>\n<style>{1}</style></head>\n<body>\n<header><h1>{0}</h1><nav "
      "aria-label=\"sections\"></nav></header>\n<main>\n<noscript><p>This page draws itself with a script; scripts are "
      "switched off.</p></noscript>\n<div id=\"summary\"></div>\n{2}</main>\n{3}<script type=\"application/json\" "
      "id=\"data\">{4}</script>\n<script>{5}</script>\n</body></html>\n",
      escape_markup(title_of(runs)), report_styles(), sections(), clip_templates(runs), embedded_json(page_json(runs)),
      report_scripts());
}

}  // namespace prosodia
