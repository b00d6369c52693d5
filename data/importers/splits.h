// Who goes into train, validation and test: whole speakers, never a speaker into two parts.
//
// Called by: import.cc. Thread rule: pure function; the same utterances, options and seed give the same split, in
// whatever order the files were found. Failure rule: speakers that are not there and shares that cannot be are kUsage.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/importers/importer.h"

namespace prosodia {

inline constexpr std::array<std::string_view, 3> kSplitNames = {"train", "validation", "test"};

struct SplitOptions {
  std::array<double, 3> shares = {0.8, 0.1, 0.1};  // of the utterances; train, validation, test; sum 1
  uint64_t seed = 42;
  std::vector<std::string> validation_speakers, test_speakers;  // given ones: shares no longer matter
};

// Sets info.split where it is empty. Speakers that already have a split stay in it; every other one goes, largest gap
// to its share first, genders balanced, to one part. With named speakers: they, and the rest to train. An utterance
// whose speaker is not known counts as a speaker of its own. Returns notes for people.
Result<std::vector<std::string>> assign_splits(std::vector<PlannedUtterance>& utterances, const SplitOptions& options);

}  // namespace prosodia
