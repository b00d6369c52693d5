// Which of many things to show when not all fit: spread over the whole, the same each time. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace prosodia {

// At most `most` of 0 … count-1, ascending, the first and the last among them (one alone: the last).
std::vector<size_t> evenly_spaced(size_t count, size_t most);

// 0 … count-1 in an order whose every beginning is spread over the whole: the last, the first, then halves, quarters, …
std::vector<size_t> spreading_order(size_t count);

// Groups that fit into `budget_bytes`: the first of every step in spreading_order of the steps, then the second of
// each, and so on, until one does not fit. `bytes[step][group]`. Ascending pairs of (step, group).
std::vector<std::pair<size_t, size_t>> choose_groups(const std::vector<std::vector<size_t>>& bytes,
                                                     size_t budget_bytes);

}  // namespace prosodia
