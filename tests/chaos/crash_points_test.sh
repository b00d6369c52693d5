#!/usr/bin/env bash
# The coordinator killed at every record type of its journal: before the commit is written, in the middle of it, written and
# not synced, and durable but not yet told to anybody. All in one run, one life after the other.
. "$(dirname "$0")/lib.sh"
use_folder crash_points
points=(before_write torn_write before_sync after_sync)
plan=$R/plan
# What is written once a run is there after before_sync (the process died, not the machine); worker_kills_test has after_sync.
once() { local point; for point in "${points[@]:0:3}"; do echo "$1 $point"; done; }
{
  once run_created
  for point in "${points[@]}"; do echo "life_started $point"; done
  once initial_weights
  for record in gate_decided group_sampled group_scored step_batched step_trained checkpoint_saved; do
    for point in "${points[@]}"; do echo "$record $point $((RANDOM % 2 + 1))"; done
  done
  for number in 1 3 7 20; do echo "any torn_write $number"; done
  once run_complete
} >"$plan"
planned=$(wc -l <"$plan")
PROSODIA_CRASH_PLAN=$plan start_run
finish_run
[ ! -s "$plan" ] || fail "crashes that did not happen: $(cat "$plan")"
crashes=$(grep -c 'coordinator was ended by signal 9' "$R/run.log" || true)
[ "$crashes" = "$planned" ] || give_up "$crashes crashes, planned $planned"
check_run
echo "faults injected: $crashes crashes of the coordinator (10 record types, before and in the middle of the write, before and after fdatasync)"
