// The frame and style of the HTML pages that are written for people: one file, no scripts, nothing from outside,
// readable in light and dark, on a phone and on paper. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace prosodia {

// A whole document. `title`: plain text; `meta`, `body`: HTML; `style`: CSS of this page alone, after the common one.
//
// The common style has: h1, h2, p.meta, p.note; div.cards with div.card (div.k name, div.v value, div.ci beside it);
// div.scroll around what may be wider than the screen; tables with th[scope=row]; td.cell, shaded by --a (0..1); svg
// with text, .soft, .bar, .grid, .ci. Colours: --bg, --ink, --soft, --line, --card, --bar, --cell (r,g,b).
std::string html_page(std::string_view title, std::string_view meta, std::string_view style, std::string_view body);

// <div class="card">…; `beside` may be empty. Escapes its arguments.
std::string html_card(std::string_view name, std::string_view value, std::string_view beside);

}  // namespace prosodia
