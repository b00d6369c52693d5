// Text inside HTML, XML and SVG, as content or as a quoted attribute. Pure function.
#pragma once

#include <string>
#include <string_view>

namespace prosodia {

std::string escape_markup(std::string_view text);  // & < > " '

}  // namespace prosodia
