#include "data/importers/splits.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/base/philox.h"

namespace prosodia {
namespace {

struct Speaker {
  std::string name, gender;
  std::vector<UtteranceInfo*> utterances;  // without a split
};

using Speakers = std::vector<Speaker>;  // sorted by name

size_t split_index(std::string_view split) {
  return static_cast<size_t>(std::find(kSplitNames.begin(), kSplitNames.end(), split) - kSplitNames.begin());
}

// What each part holds so far.
struct Parts {
  std::array<double, 3> utterances{};
  std::map<std::string, std::array<double, 3>> by_gender;

  void add(const std::string& gender, size_t part, double count) {
    utterances[part] += count;
    by_gender[gender][part] += count;
  }
};

std::string speaker_key(const UtteranceInfo& info) { return info.speaker.empty() ? "\x01" + info.id : info.speaker; }

Status check(const SplitOptions& options, const std::set<std::string>& known) {
  double sum = 0;
  for (const double share : options.shares) {
    if (!(share >= 0 && share <= 1)) {
      return fail(ErrorCode::kUsage, "--split_shares: {} is not from 0 to 1", share);
    }
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6) {
    return fail(ErrorCode::kUsage, "--split_shares {}: the sum is {}, expected 1", fmt::join(options.shares, ","), sum);
  }
  for (const auto* names : {&options.validation_speakers, &options.test_speakers}) {
    for (const std::string& name : *names) {
      if (known.contains(name)) continue;
      return fail(ErrorCode::kUsage, "no speaker \"{}\"; the speakers are {}", name, fmt::join(known, ", "));
    }
  }
  for (const std::string& name : options.test_speakers) {
    const auto& other = options.validation_speakers;
    if (std::find(other.begin(), other.end(), name) == other.end()) continue;
    return fail(ErrorCode::kUsage, "speaker \"{}\" is both in --validation_speakers and in --test_speakers", name);
  }
  return {};
}

void assign(Speaker& speaker, size_t part, Parts& parts) {
  for (UtteranceInfo* info : speaker.utterances) info->split = kSplitNames[part];
  parts.add(speaker.gender, part, static_cast<double>(speaker.utterances.size()));
}

// The part that is furthest from its share; at the same distance the first of `order`.
size_t neediest(const Parts& parts, const std::array<double, 3>& shares, double total,
                const std::array<size_t, 3>& order) {
  size_t best = 0;
  double best_gap = -1e300;
  for (const size_t part : order) {
    if (shares[part] <= 0) continue;
    const double gap = 1 - parts.utterances[part] / (shares[part] * total);
    if (gap > best_gap + 1e-12) {
      best = part;
      best_gap = gap;
    }
  }
  return best;
}

// Speakers still to go, by gender.
struct Pool {
  std::vector<Speaker> speakers;  // taken from the end
  double utterances = 0;
};

// The gender that a part has fewest of, relative to how many are to be had.
Pool& neediest_gender(std::map<std::string, Pool>& pools, size_t part, Parts& parts) {
  Pool* best = nullptr;
  double least = 2;
  for (auto& [gender, pool] : pools) {
    if (pool.speakers.empty()) continue;
    const double there = parts.by_gender[gender][part];
    const double have = there / (there + pool.utterances);
    if (have < least - 1e-12 || (have < least + 1e-12 && pool.utterances > best->utterances)) {
      best = &pool;
      least = std::min(least, have);
    }
  }
  return *best;
}

void assign_by_share(Speakers speakers, const SplitOptions& options, Parts& parts) {
  double total = 0;
  for (const double count : parts.utterances) total += count;
  for (const Speaker& speaker : speakers) total += static_cast<double>(speaker.utterances.size());
  PhiloxStream random(mix_seed(options.seed, 0x53504c4954 /* "SPLIT" */));
  for (size_t i = speakers.size(); i > 1; --i) {
    std::swap(speakers[i - 1], speakers[random.next_below(static_cast<uint32_t>(i))]);
  }
  std::map<std::string, Pool> pools;
  for (Speaker& speaker : speakers) {
    Pool& pool = pools[speaker.gender];
    pool.utterances += static_cast<double>(speaker.utterances.size());
    pool.speakers.push_back(std::move(speaker));
  }
  // The small parts first, so that none stays empty; where there are not enough speakers, training goes before testing.
  constexpr std::array<size_t, 3> kSmallFirst = {2, 1, 0}, kTrainFirst = {0, 2, 1};
  const std::array<size_t, 3>& order = speakers.size() < kSmallFirst.size() ? kTrainFirst : kSmallFirst;
  for (size_t left = speakers.size(); left > 0; --left) {
    const size_t part = neediest(parts, options.shares, total, order);
    Pool& pool = neediest_gender(pools, part, parts);
    assign(pool.speakers.back(), part, parts);
    pool.utterances -= static_cast<double>(pool.speakers.back().utterances.size());
    pool.speakers.pop_back();
  }
}

}  // namespace

Result<std::vector<std::string>> assign_splits(std::vector<PlannedUtterance>& utterances, const SplitOptions& options) {
  std::set<std::string> known;
  std::map<std::string, std::set<std::string>> given;  // speaker -> splits the release gave
  std::map<std::string, Speaker> open;
  Parts parts;
  int unknown = 0;
  for (PlannedUtterance& planned : utterances) {
    UtteranceInfo& info = planned.info;
    if (!info.speaker.empty()) known.insert(info.speaker);
    if (!info.split.empty()) {
      given[speaker_key(info)].insert(info.split);
      parts.add(info.gender, split_index(info.split), 1);
      continue;
    }
    unknown += info.speaker.empty();
    Speaker& speaker = open[speaker_key(info)];
    speaker.name = info.speaker;
    speaker.gender = info.gender;
    speaker.utterances.push_back(&info);
  }
  PROSODIA_TRY(check(options, known));
  const bool named = !options.test_speakers.empty() || !options.validation_speakers.empty();
  const auto contains = [](const std::vector<std::string>& names, const std::string& name) {
    return !name.empty() && std::find(names.begin(), names.end(), name) != names.end();
  };
  Speakers rest;
  for (auto& [key, speaker] : open) {
    if (const auto found = given.find(key); found != given.end()) {
      assign(speaker, split_index(*found->second.begin()), parts);
    } else if (named) {
      const size_t part = contains(options.test_speakers, speaker.name)         ? 2
                          : contains(options.validation_speakers, speaker.name) ? 1
                                                                                : 0;
      assign(speaker, part, parts);
    } else {
      rest.push_back(std::move(speaker));
    }
  }
  const size_t count = rest.size();
  assign_by_share(std::move(rest), options, parts);
  std::vector<std::string> notes;
  if (unknown > 0) {
    notes.push_back(fmt::format("{} utterances have no speaker: they are split one by one", unknown));
  } else if (count > 0 && count < 3) {
    notes.push_back(fmt::format("{} speaker{} cannot fill train, validation and test", count, count == 1 ? "" : "s"));
  }
  return notes;
}

}  // namespace prosodia
