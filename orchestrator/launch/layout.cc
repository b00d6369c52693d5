#include "orchestrator/launch/layout.h"

#include <set>

#include "data/base/number.h"

namespace prosodia::launch {
namespace {

constexpr int kMaxProcesses = 100000;

tl::unexpected<Error> malformed(std::string_view text, std::string_view item) {
  return fail(ErrorCode::kUsage,
              "--layout '{}': '{}' is not ROLE=COUNT with ROLE learner, rollout or reward and COUNT from 1 to {}", text,
              item, kMaxProcesses);
}

}  // namespace

std::string_view name(Role role) {
  switch (role) {
    case Role::kCoordinator:
      return "coordinator";
    case Role::kLearner:
      return "learner";
    case Role::kRollout:
      return "rollout";
    case Role::kReward:
      return "reward";
  }
  return "unknown";
}

std::string process_name(Role role, int index) {
  if (role == Role::kCoordinator || role == Role::kLearner) return std::string(name(role));
  return fmt::format("{}-{}", name(role), index);
}

std::vector<std::string> worker_process_names(const Layout& layout) {
  std::vector<std::string> names = {process_name(Role::kLearner, 0)};
  for (int i = 0; i < layout.rollouts; ++i) names.push_back(process_name(Role::kRollout, i));
  for (int i = 0; i < layout.rewards; ++i) names.push_back(process_name(Role::kReward, i));
  return names;
}

Result<Layout> parse_layout(std::string_view text) {
  Layout layout;
  std::set<std::string_view> seen;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);

    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return malformed(text, item);
    const std::string_view role = item.substr(0, equals), count_text = item.substr(equals + 1);
    const auto parsed = parse_integer<int>(count_text);
    if (!parsed || *parsed < 1 || *parsed > kMaxProcesses) return malformed(text, item);
    const int count = *parsed;
    if (!seen.insert(role).second) return fail(ErrorCode::kUsage, "--layout '{}' names {} twice", text, role);
    if (role == "learner")
      layout.learners = count;
    else if (role == "rollout")
      layout.rollouts = count;
    else if (role == "reward")
      layout.rewards = count;
    else
      return malformed(text, item);
  }
  return layout;
}

Result<Placement> place(const Layout& layout, int rank, int world_size) {
  if (world_size != layout.world_size()) {
    return fail(
        ErrorCode::kUsage,
        "mpirun started {} ranks, but --layout learner={},rollout={},reward={} needs {} (one more coordinates). "
        "Next: mpirun -n {} prosodia train …",
        world_size, layout.learners, layout.rollouts, layout.rewards, layout.world_size(), layout.world_size());
  }
  if (rank == 0) return Placement{Role::kCoordinator, 0};
  int index = rank - 1;
  if (index < layout.learners) return Placement{Role::kLearner, index};
  index -= layout.learners;
  if (index < layout.rollouts) return Placement{Role::kRollout, index};
  return Placement{Role::kReward, index - layout.rollouts};
}

}  // namespace prosodia::launch
