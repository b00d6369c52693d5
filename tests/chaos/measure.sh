#!/usr/bin/env bash
# How long detection and recovery take: medians over ROUNDS (5) faults of each kind, with the default heartbeat of 1 s. No test.
# usage: tests/chaos/measure.sh BUILD_DIR [ROUNDS]     (after `ctest -R e2e_setup`)
build=$(cd "${1:?usage: measure.sh BUILD_DIR [ROUNDS]}" && pwd) rounds=${2:-5}
export PROSODIA_BINARY=$build/bin/prosodia PROSODIA_CHAOS_AUDIT=$build/tests/chaos/chaos_audit PROSODIA_E2E_DIR=$build/tests/e2e/work
. "$(dirname "$0")/lib.sh"
use_folder measure
heartbeat_ms=1000
steps=1000000
chaos_options=("${train_options[@]/%200/$heartbeat_ms}" --max_restarts 100000 --collective_timeout_s 5 --max_attempts 1000
  --restart_delay_max_s 0.1 --layout learner=2,rollout=2,reward=1)  # the delay after a first failure: faults are rare in real runs
now() { date +%s%N; }
ms_since() { echo $((($(now) - $1) / 1000000)); }
until_true() { until "$@"; do running || give_up "the run ended"; sleep 0.01; done; }
new_step() { [ "$(lines)" -gt "$seen" ]; }
median() { sort -n "$R/$1" | awk '{ v[NR] = $1 } END { printf "%d ms (%d to %d, n=%d)", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2, v[1], v[NR], NR }'; }
lost_more() { [ "$(counted workers_lost)" -gt "$lost" ]; }
other_pid() { local p; p=$(pid_of "$1"); [ -n "$p" ] && [ "$p" != "$2" ]; }
settle() { wait_for_steps_more 3; seen=$(lines); }

start_run
for _ in $(seq "$rounds"); do
  # The coordinator alone: the supervisor stands still meanwhile, so that no replacement gives the loss away.
  settle; lost=$(counted workers_lost); pid=$(pid_of rollout-0)
  kill -STOP "$run"; t=$(now); kill -9 "$pid"; until_true lost_more; ms_since "$t" >>"$R/worker_loss_seen"; kill -CONT "$run"
  until_true other_pid rollout-0 "$pid"

  settle; pid=$(pid_of rollout-0); t=$(now); kill -9 "$pid"
  until_true other_pid rollout-0 "$pid"; ms_since "$t" >>"$R/worker_restarted"

  settle; old=$(ranks | xargs); t=$(now); kill -9 "${old##* }"
  until_true gone "$old"; ms_since "$t" >>"$R/learner_gone"
  until_true two_ranks; ms_since "$t" >>"$R/learner_started"
  seen=$(lines); until_true new_step; ms_since "$t" >>"$R/learner_trains"

  settle; old=$(ranks | xargs); t=$(now); kill -STOP "${old%% *}"
  until_true gone "$old"; ms_since "$t" >>"$R/stopped_learner_gone"
  seen=$(lines); until_true new_step; ms_since "$t" >>"$R/stopped_learner_trains"

  settle; pid=$(pid_of coordinator); t=$(now); kill -9 "$pid"
  until_true other_pid coordinator "$pid"; ms_since "$t" >>"$R/coordinator_started"
  seen=$(lines); until_true new_step; ms_since "$t" >>"$R/coordinator_trains"
done
kill -TERM "$run"; wait "$run" || true
printf '%-78s %s\n' "worker killed -> coordinator gives its leases away (target: 4 heartbeats, $((4 * heartbeat_ms)) ms)" "$(median worker_loss_seen)" \
  "worker killed -> its replacement has started" "$(median worker_restarted)" \
  "learner rank killed -> all ranks are gone" "$(median learner_gone)" \
  "learner rank killed -> the new ranks have started (target: 5 s + loading)" "$(median learner_started)" \
  "learner rank killed -> the next step is trained" "$(median learner_trains)" \
  "learner rank 0 stopped -> all ranks are gone (--collective_timeout_s 5, or silence)" "$(median stopped_learner_gone)" \
  "learner rank 0 stopped -> the next step is trained" "$(median stopped_learner_trains)" \
  "coordinator killed -> the new one has started" "$(median coordinator_started)" \
  "coordinator killed -> the next step is trained (target: 10 s)" "$(median coordinator_trains)"
