#!/usr/bin/env bash
# A disk that fails in mid-run: EIO from fdatasync, no space for the journal, a checkpoint, the archive or the metrics. Every time
# the command ends with exit code 5 and names the file; once the disk works again the same command goes on, and nothing that had
# been acknowledged is lost.
. "$(dirname "$0")/lib.sh"
use_folder disk
snapshots=()
eio=5 enospc=28
while read -r call part error; do
  PROSODIA_FAIL_IO=$R/disk_fault LD_PRELOAD=$PROSODIA_CHAOS_FAIL_IO start_run
  wait_for_steps_more 2
  echo "$call $part $error" >"$R/disk_fault"
  code=0; wait "$run" || code=$?
  [ $code = 5 ] || give_up "$call $part: exit code $code instead of 5"
  grep -qF "$part" <<<"$(tail -n 12 "$R/run.log")" || give_up "$call $part: the file is not named"
  rm "$R/disk_fault"
  cp -r "$R/run/journal" "$R/journal-$faults" && snapshots+=("$R/journal-$faults")
  faults=$((faults + 1))
  echo "$call on *$part* fails with errno $error: exit code 5 at step $(lines)"
done <<END
sync /journal/ $eio
write /journal/ $enospc
write /checkpoints/ $enospc
sync /checkpoints/ $eio
write /rollouts/ $enospc
write metrics.jsonl $enospc
END
start_run
finish_run
check_run "${snapshots[@]}"
echo "faults injected: $faults disk errors"
