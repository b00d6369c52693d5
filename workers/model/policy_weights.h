// The parameters of a model that change during a run, as one byte string a version: what the learner serves, rollout
// workers load in place, and the weights digest of the run's hash chain covers. With an adapter or frozen parts, only
// what trains travels.
//
// Which parameters change: those that FreezeSpec leaves; with an adapter, of those only the adapter's own (A, B and the
// parts stored whole).
//
// Bytes: BLAKE2b-256 of the frozen parameters' bytes (only when something is frozen), then for each changing one, in
// the model's order, its elements in C order, little-endian, in its dtype. So the digest of the bytes vouches for the
// whole model, and a worker with another base is found out.
//
// Callers: learner, rollout worker. Single thread; keeps handles to the model's tensors, which must outlive it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "workers/model/freeze.h"
#include "workers/model/model.h"

namespace prosodia {

class PolicyWeights {
 public:
  // kUsage: a word of `freeze` that names nothing here, or nothing left that trains.
  static Result<PolicyWeights> create(Model& model, const FreezeSpec& freeze);

  const std::vector<NamedParameter>& changing() const { return changing_; }  // in the model's order
  bool audio_changes() const;                                                // false: a clip's embeddings are constants
  bool only_adapter() const;  // no base tensor changes: packed base weights stay valid

  std::vector<std::byte> pack() const;  // copies; any device
  // Writes in place. kInvalidInput: another size, or other frozen parameters; then nothing was written.
  Status unpack(std::span<const std::byte> packed);

 private:
  const Digest& frozen_digest() const;  // computed at first use

  std::vector<NamedParameter> changing_, frozen_;
  mutable std::optional<Digest> frozen_digest_;
};

}  // namespace prosodia
