// Bytes of the coordinator's journal records (data/store/journal.h frames and checks them). Meaning: core/records.h.
//
// clang-format off
// | type | record          | payload (little-endian; message = u32 length, then the message's own grammar)           |
// |------|-----------------|---------------------------------------------------------------------------------------------|
// | 1    | RunCreated      | format:u32 run_id:u64 config:digest dataset:digest seed:u64 P:u32 K:u32 lag:u32          |
// | 2    | LifeStarted     | life:u64                                                                                 |
// | 3    | InitialWeights  | digest                                                                                   |
// | 4    | GateDecided     | step:u64 gate:f64                                                                        |
// | 5    | GroupSampled    | worker:text RolloutResult:message                                                        |
// | 6    | GroupScored     | tries:u32 worker:text RewardResult:message                                               |
// | 7    | StepBatched     | step:u64 batch:digest                                                                    |
// | 8    | StepTrained     | run_digest:digest times StepDone:message                                                 |
// | 9    | CheckpointSaved | version:u64 path:text                                                                    |
// | 10   | RunComplete     | steps:u64 run_digest:digest                                                              |
// | 11   | StepsFolded     | first:u64 count:u32, count x (batch:digest weights:digest loss,gate,accuracy:f64         |
// |      |                 | num_tokens:u64 run_digest:digest times); in snapshots only                               |
// times = rollout,reward,train,wait,step:f64 (seconds)
// clang-format on
//
// Thread rule: pure functions. Failure rule: decode gives kCorruption naming the record type; it never aborts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/core/records.h"

namespace prosodia {

struct EncodedRecord {
  uint16_t type = 0;
  std::vector<std::byte> payload;
};
EncodedRecord encode_record(const core::Record& record);
Result<core::Record> decode_record(uint16_t type, std::span<const std::byte> payload);

// "group_sampled" <-> 5, as the table names them. Unknown: nullopt.
std::optional<uint16_t> record_type(std::string_view name);

}  // namespace prosodia
