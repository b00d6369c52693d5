// A good HDF5 file, then bent: datasets missing, of another rank, type or length, of absurd extents, with other values.
// The files stay legal HDF5, so that Prosodia's own checks are what is tested; raw damage is tried as well (the input
// as the file).
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

class Hdf5Template {
 public:
  explicit Hdf5Template(const std::filesystem::path& good_file);
  // Writes a copy edited as `choices` says to the scratch folder; no choices, no edits.
  std::filesystem::path write_edited(const std::string& name, Choices choices) const;

 private:
  std::vector<std::byte> bytes_;
  std::vector<std::string> datasets_;    // full paths
  std::vector<std::string> attributes_;  // of the root
};

// Whether the input is meant as a file of its own.
bool is_hdf5(Input input);

}  // namespace prosodia::fuzz
