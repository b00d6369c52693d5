// How a lifecycle is written down: one enum of states, one of events, one constexpr table. The table is the
// documentation, the transition function and what the tests walk through (tests/unit/core/tables_test.cc tries every
// state x event pair of every lifecycle).
//
// A lifecycle L is a struct with
//   using State, Event;                       enums 0, 1, 2, …
//   static constexpr std::string_view kName;  "worker"
//   static constexpr std::array kStates;      names, in enum order
//   static constexpr std::array kEvents;      EventInfo, in enum order: name, and who causes it
//   static constexpr Transition<State, Event> kTable[];
//
// Pairs that are not in the table: caused by a peer, they are refused and counted; caused by us, they abort.
// Pure. Thread rule: the caller's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/base/check.h"

namespace prosodia::core {

template <class S, class E>
struct Transition {
  S from;
  E event;
  S to;
  std::string_view reason;  // counted as "<lifecycle>/<reason>"; empty = not counted
};

enum class Cause : uint8_t { kPeer, kUs };
struct EventInfo {
  std::string_view name;
  Cause cause;
};

// "lease/expired" -> 3, "worker/refused/fenced/hello" -> 1. They reach the metrics as ft/<key>.
using ReasonCounts = std::map<std::string, uint64_t, std::less<>>;

template <class L>
constexpr const Transition<typename L::State, typename L::Event>* find_transition(typename L::State state,
                                                                                  typename L::Event event) {
  for (const auto& transition : L::kTable) {
    if (transition.from == state && transition.event == event) return &transition;
  }
  return nullptr;
}

template <class L>
std::string_view name_of(typename L::State state) {
  return L::kStates.at(static_cast<size_t>(state));
}

// Moves `state` on and counts the reason. False: the pair is not in the table, a peer caused it, the refusal is
// counted and nothing moved.
template <class L>
[[nodiscard]] bool advance(typename L::State& state, typename L::Event event, ReasonCounts& counts) {
  const EventInfo& info = L::kEvents.at(static_cast<size_t>(event));
  const auto* transition = find_transition<L>(state, event);
  if (transition == nullptr) {
    PROSODIA_CHECK(info.cause == Cause::kPeer, "a {} that is {}: event {}", L::kName, name_of<L>(state), info.name);
    ++counts[fmt::format("{}/refused/{}/{}", L::kName, name_of<L>(state), info.name)];
    return false;
  }
  if (!transition->reason.empty()) ++counts[fmt::format("{}/{}", L::kName, transition->reason)];
  state = transition->to;
  return true;
}

// For events that we cause: they are in the table, or it is our bug.
template <class L>
void must_advance(typename L::State& state, typename L::Event event, ReasonCounts& counts) {
  PROSODIA_CHECK(advance<L>(state, event, counts), "a {} that is {}: event {}", L::kName, name_of<L>(state),
                 L::kEvents.at(static_cast<size_t>(event)).name);
}

}  // namespace prosodia::core
