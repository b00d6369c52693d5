// A strict reader of our own HTML pages, for tests.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace prosodia {

// Every element that is opened is closed, in order; attributes are quoted; '<' and '&' of text are escaped. Empty when
// well-formed, else what is wrong.
inline std::string malformed(const std::string& html) {
  static const std::set<std::string> kVoid = {"meta", "br", "!doctype"};
  std::vector<std::string> open;
  for (size_t at = 0; (at = html.find_first_of("<&", at)) != std::string::npos;) {
    if (html[at] == '&') {
      const size_t end = html.find(';', at);
      if (end == std::string::npos || end - at > 7) return "bare & at " + html.substr(at, 30);
      at = end;
      continue;
    }
    size_t end = at + 1;
    for (char quote = 0; end < html.size() && (quote != 0 || html[end] != '>'); ++end) {
      if (html[end] == '"') quote = quote == 0 ? '"' : 0;
      if (html[end] == '<') return "< inside a tag at " + html.substr(at, 60);
    }
    if (end == html.size()) return "a tag is not closed at " + html.substr(at, 60);
    std::string tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    const bool self = tag.ends_with('/');
    const bool close = tag.starts_with('/');
    std::string name = tag.substr(close, tag.find_first_of(" /", 1) - close);
    std::transform(name.begin(), name.end(), name.begin(), ::tolower);
    if (close) {
      if (open.empty() || open.back() != name) return "</" + name + "> closes " + (open.empty() ? "" : open.back());
      open.pop_back();
    } else if (!self && !kVoid.contains(name)) {
      open.push_back(name);
      if (name == "style" || name == "script") at = html.find("</" + name + ">", at);
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

}  // namespace prosodia
