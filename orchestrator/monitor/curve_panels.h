// Which metrics people look at together, in the order in which they are shown: the charts of curves.svg, of the page of
// a running run and of `report`. Constant data; any thread.
#pragma once

#include <optional>
#include <utility>
#include <vector>

namespace prosodia {

struct Panel {
  const char* title;
  std::vector<std::pair<const char*, const char*>> series;  // label, metric
  std::optional<double> y_min, y_max;                       // nothing: from the values
  const char* open_prefix = "";  // not "": also every metric whose name begins so, labelled by the rest of it
};

const std::vector<Panel>& curve_panels();

}  // namespace prosodia
