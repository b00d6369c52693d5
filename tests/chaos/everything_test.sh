#!/usr/bin/env bash
# Everything at once, at random moments: the supervisor, the coordinator, all workers, mpirun and its ranks die together; the
# same command goes on. Snapshots of the journal taken at these moments are compared with what the run has at its end.
. "$(dirname "$0")/lib.sh"
use_folder everything
RANDOM=${PROSODIA_CHAOS_SEED:-11}
snapshots=()
start_run
for round in 1 2 3 4 5; do
  wait_for_steps_more $((RANDOM % 12 + 1))
  sleep 0.$((RANDOM % 10))
  everyone="$run $(descendants "$run" | xargs)"
  kill -STOP $everyone 2>/dev/null || true  # nobody can start another before all are dead
  everyone="$run $(descendants "$run" | xargs)"
  cp -r "$R/run/journal" "$R/journal-$round" && snapshots+=("$R/journal-$round")
  if [ $((round % 2)) = 0 ]; then
    kill -9 $everyone 2>/dev/null || true
  else
    kill -9 "$run"  # its children die with it, though they are stopped
  fi
  wait "$run" 2>/dev/null || true
  for pid in $everyone; do
    for _ in $(seq 600); do [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || break; sleep 0.05; done
    [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || fail "process $pid outlived its supervisor"
  done
  faults=$((faults + 1))
  start_run
done
finish_run
check_run "${snapshots[@]}"
echo "faults injected: $faults times everything at once"
