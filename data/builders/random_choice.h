// Shuffling and picking with a PhiloxStream, for the builders. The standard library's are not the same everywhere.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "data/base/philox.h"

namespace prosodia {

template <class T>
void shuffle(std::vector<T>& items, PhiloxStream& stream) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[stream.next_below(static_cast<uint32_t>(i))]);
}

// `items` must not be empty.
template <class Items>
const auto& pick(const Items& items, PhiloxStream& stream) {
  return items[stream.next_below(static_cast<uint32_t>(std::size(items)))];
}

}  // namespace prosodia
