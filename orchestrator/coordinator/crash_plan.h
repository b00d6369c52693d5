// For tests of recovery: a coordinator that kills itself (SIGKILL) at chosen points of its journal. Off, and without
// any effect, unless the environment variable PROSODIA_CRASH_PLAN names a file:
//
//   file = line*
//   line = RECORD POINT [N]     "group_sampled before_sync 3": at the N-th (default 1) record of this type that this
//   life
//                               of the coordinator writes, after its start
//   RECORD = run_created | life_started | initial_weights | gate_decided | group_sampled | group_scored | step_batched
//   |
//            step_trained | checkpoint_saved | run_complete | any
//   POINT  = before_write       nothing of the commit is in the file
//          | torn_write         half of its bytes are
//          | before_sync        all of them are, not yet synced
//          | after_sync         they are durable, nothing has been sent
//
// Each life takes the first line and removes it from the file as it dies. The last line gone, nothing happens any more.
//
// Thread rule: as the FileSystem it wraps. Failure rule: a plan that cannot be read is kUsage.
#pragma once

#include <memory>

#include "data/base/status.h"
#include "data/store/fs.h"

namespace prosodia {

// `inner` behind the plan; nullptr when there is none.
Result<std::unique_ptr<FileSystem>> crash_plan_from_environment(FileSystem& inner);

}  // namespace prosodia
