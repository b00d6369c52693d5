// Rollout segments. An input that begins like an HDF5 file is opened as one; any other says how a good segment is bent.
#include "orchestrator/coordinator/archive.h"
#include "tests/fuzz/hdf5_edit.h"
#include "tests/unit/protocol/samples.h"

namespace prosodia::fuzz {
namespace {

std::filesystem::path good_segment() {
  auto batch = protocol::testing::step_batch();
  for (protocol::BatchGroup& group : batch.groups) {
    group.rollout.group_id = group.reward.group_id = group.group_id;
  }
  const auto dir = scratch_dir() / "rollouts";
  const Status written = write_segment(posix_file_system(), dir, {{.batch = batch}, {.batch = batch}});
  PROSODIA_CHECK(written.has_value(), "{}", written.error().message);
  return dir / "step-000005-000005.h5";
}

}  // namespace

void fuzz_rollout_segment(Input input) {
  static const Hdf5Template good(good_segment());
  const auto path =
      is_hdf5(input) ? write_scratch("segment.h5", input) : good.write_edited("segment.h5", Choices(input));
  const auto steps = read_segment(path);
  if (input.empty()) PROSODIA_CHECK(steps && steps->size() == 2);
  if (!steps) return;
  for (const auto& [batch, loss, weights] : *steps) {
    PROSODIA_CHECK(protocol::digest_of(batch.groups) == batch.batch_digest);
    const auto again = protocol::decode<protocol::StepBatch>(protocol::encode(batch));
    PROSODIA_CHECK(again.has_value(), "what the archive holds cannot be sent: {}", again.error().message);
  }
}

}  // namespace prosodia::fuzz
