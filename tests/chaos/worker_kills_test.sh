#!/usr/bin/env bash
# kill -9 of rollout and reward workers, 100 times in one run. The learner ranks never notice; the result is the same.
# Beside it the coordinator dies at the records that a run writes once, when they are durable and nobody has been told.
. "$(dirname "$0")/lib.sh"
use_folder worker_kills
printf '%s after_sync\n' run_created initial_weights run_complete >"$R/plan"
PROSODIA_CRASH_PLAN=$R/plan start_run
wait_for_step 1
learners=$(ranks)
[ "$(wc -w <<<"$learners")" = 2 ] || give_up "no two learner ranks: $learners"
kills=100
while [ $faults -lt $kills ]; do
  # The reward worker first: without it the run stands still, so that its length bounds the kills and not the other way round.
  for name in reward-0 rollout-0 rollout-1; do
    [ $faults -ge $kills ] || kill_process $name
  done
  wait_for_steps_more 1
  [ "$(ranks)" = "$learners" ] || give_up "the learner ranks changed from ${learners//$'\n'/ } to $(ranks | xargs)"
  [ "$(lines)" -lt $((steps - 5)) ] || give_up "the run was over after $faults kills: make it longer"
done
echo "after $faults kills the learner ranks are still ${learners//$'\n'/ }; step $(lines)"
finish_run
[ ! -s "$R/plan" ] || fail "crashes that did not happen: $(cat "$R/plan")"
check_run
echo "faults injected: $faults worker kills, 3 crashes of the coordinator"
