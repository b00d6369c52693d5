// One policy version's weights as one flat byte string: what the learner serves on the bulk channel and rollout workers
// load in place, and what the weights digest of the run's hash chain covers.
//
// Bytes: for each of Model::parameters(), in order: the tensor's elements in C order, little-endian, in the model's
// dtype; nothing between them. Both sides have the same model folder, so names and shapes need not travel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"

namespace prosodia {

class Model;
struct NamedParameter;

size_t packed_weight_bytes(const Model& model);
std::vector<std::byte> pack_weights(const Model& model);  // copies; any device
// Digest of the packed bytes: BLAKE2b-256(bytes).
Digest digest_weights(std::span<const std::byte> packed);
// CRC-32C of each parameter's part of the packed bytes, by name: tells which tensors of two versions differ.
using TensorChecksums = std::map<std::string, uint32_t>;
TensorChecksums checksum_tensors(const Model& model);
// Writes into the existing tensors (no reallocation). kInvalidInput when the size differs; then nothing was written.
// The caller tells its engine with Engine::weights_changed().
Status unpack_weights(std::span<const std::byte> packed, Model& model);

// The same for some of a model's parameters (policy_weights.h).
std::vector<std::byte> pack_tensors(std::span<const NamedParameter> parameters);
void append_tensors(std::span<const NamedParameter> parameters, std::vector<std::byte>& packed);
Status unpack_tensors(std::span<const std::byte> packed, std::span<const NamedParameter> parameters);

}  // namespace prosodia
