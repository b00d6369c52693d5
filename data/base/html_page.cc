#include "data/base/html_page.h"

#include <fmt/format.h>

#include "data/base/markup.h"

namespace prosodia {
namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee4;--card:#f6f8fa;--bar:#2f6fb3;
--ci:#1b1f24;--cell:47,111,179}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--ink:#e6e9ec;--soft:#9aa4ae;--line:#323941;--card:#1d2126;
--bar:#5b9bd8;--ci:#e6e9ec;--cell:91,155,216}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1040px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:18px;margin:36px 0 10px}
.meta{color:var(--soft);margin:0 0 20px;overflow-wrap:anywhere}
.note{color:var(--soft);font-size:13px;max-width:75ch}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(125px,1fr));gap:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card .k{color:var(--soft);font-size:13px;line-height:1.3;min-height:2.6em}.card .v{font-size:26px;font-variant-numeric:tabular-nums}
.card .ci{color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--soft);font-size:13px}
th[scope=row]{text-align:left;color:var(--ink);white-space:nowrap}
td.cell{background:rgba(var(--cell),var(--a,0))}
svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--ink);font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg .soft{fill:var(--soft)}svg .bar{fill:var(--bar)}svg .grid{stroke:var(--line)}
svg .ci{stroke:var(--ci);stroke-width:1.5}
)css";

}  // namespace

std::string html_page(std::string_view title, std::string_view meta, std::string_view style, std::string_view body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n<style>{1}{2}</style>"
      "</head>\n<body><main>\n<h1>{0}</h1>\n<p class=\"meta\">{3}</p>\n{4}</main></body></html>\n",
      escape_markup(title), kStyle, style, meta, body);
}

std::string html_card(std::string_view name, std::string_view value, std::string_view beside) {
  return fmt::format(
      R"(<div class="card"><div class="k">{}</div><div class="v">{}</div><div class="ci">{}</div></div>)",
      escape_markup(name), escape_markup(value), escape_markup(beside));
}

}  // namespace prosodia
