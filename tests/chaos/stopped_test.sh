#!/usr/bin/env bash
# Processes that stop and go on: a worker past its lease, whose late result is refused and counted (or cancelled
# before it is there); the coordinator; workers that never go on, which are replaced.
. "$(dirname "$0")/lib.sh"
use_folder stopped
start_run --learner_timeout_s 15
wait_for_step 3
stop_for() {  # seconds, name
  local pid; await "$2" is_there "$2"; pid=$(pid_of "$2")
  kill -STOP "$pid"; sleep "$1"; kill -CONT "$pid"; faults=$((faults + 1))
}
# Both rollout workers at once: work waits for them, so they have leases in hand or in their sockets. Silent for more than
# three heartbeats of 200 ms they lose these; what they then sample comes too late.
rollouts() { pid_of rollout-0; pid_of rollout-1; }
both() { [ "$(rollouts | wc -l)" = 2 ]; }
for _ in 1 2 3; do
  await "two rollout workers" both
  kill -STOP $(rollouts); sleep 1.5; kill -CONT $(rollouts); faults=$((faults + 2))
  wait_for_steps_more 2
done
# Refused when they had been sampled, cancelled when the worker hears of the loss first.
refused=$(counted results_rejected) cancelled=$(counted leases_cancelled)
[ $((refused + cancelled)) -gt 0 ] || give_up "no late result was refused and no lost lease cancelled"
stop_for 1 reward-0; wait_for_steps_more 1
stop_for 2 coordinator; wait_for_steps_more 1

# Stopped for good: the coordinator misses them, the supervisor kills them and starts others in their place. The coordinator is
# the supervisor's own to miss (supervisor_test). Waiting for both at once saves time.
worker=$(pid_of rollout-0) scorer=$(pid_of reward-0)
replaced() { [ "$(pid_of rollout-0)" != "$worker" ] && [ "$(pid_of reward-0)" != "$scorer" ] && is_there rollout-0 && is_there reward-0; }
kill -STOP "$worker" "$scorer"; faults=$((faults + 2))
await "replacements for processes that stand still" replaced
gone "$worker $scorer" || give_up "one of $worker $scorer is still there"
finish_run
check_run
echo "faults injected: $faults stops; late results refused: $refused, leases cancelled: $cancelled"
