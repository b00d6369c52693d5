// The rollout archive: closed HDF5 segments RUN/rollouts/step-AAAAAA-BBBBBB.h5 with the batches of steps A..B, for
// `prosodia replay`, analysis and other programs (h5py, MATLAB, R). HDF5 is no journal: a segment is written whole
// under a temporary name, closed, fsynced and renamed, so that every file under its final name is readable.
//
// Datasets, all flat; *_begin arrays have one more element than what they index:
//   /step/{step u64, batch_digest u8[·,32], loss f64, weights_digest u8[·,32] (after the step), group_begin u64}
//   /group/{group_id, seed, policy_version u64, prompt_token_count u32, tau, gate f64, response_begin u64, row_begin
//   u64,
//           row_crc32c u32 (of its dataset row)}
//   /response/{token_begin u64, text_begin u64, finish_reason u8, scored u8, present u8, reasoning_status u8,
//              format, accuracy, reasoning, faithfulness, total f64, criteria f64[·,4], claims, true_claims u32}
//   /tokens/{ids i32, logprobs f32}   /text u8 (UTF-8)   /rows u8 (UTF-8 JSON)
// /format u64 = 2.
//
// Thread rule: any thread (calls into HDF5 share its process-wide lock). Failure rule: kStorage while
// writing; kInvalidInput when a file is no segment or its parts do not fit together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/store/fs.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia {

struct ArchivedStep {
  protocol::StepBatch batch;
  double loss = 0;  // what training on it gave
  Digest weights;   // after the step
};

// Consecutive steps. Durable on OK. `replay` of the batches is not stored.
Status write_segment(FileSystem& fs, const std::filesystem::path& dir, const std::vector<ArchivedStep>& steps);

// Checks that each batch hashes to its digest.
Result<std::vector<ArchivedStep>> read_segment(const std::filesystem::path& file);

struct Segment {
  uint64_t first_step = 0, last_step = 0;
  std::filesystem::path path;
};
// Ascending. Files under other names are ignored.
Result<std::vector<Segment>> list_segments(FileSystem& fs, const std::filesystem::path& dir);

// First step that is not in a segment, counting from `first` without gaps.
uint64_t archived_before(const std::vector<Segment>& segments, uint64_t first);

}  // namespace prosodia
