#!/usr/bin/env bash
# One run in which everything dies once: a worker, a learner rank, the coordinator, and the srun of a step. Each is started
# again, the digest is that of the run without Slurm. A second job in the folder meanwhile is refused. The run is held up by
# its stopped reward worker until all that has happened.
. "$(dirname "$0")/cluster.sh"
start_cluster
use_folder faults
submit --nodes=3 -- --lease_timeout_s 600 --layout learner=2,rollout=2,reward=1
await_step 3
kill_process STOP reward-0
first=$job
submit --nodes=1 -- --layout learner=2,rollout=2,reward=1
expect_end 4
says "job $first \(RUNNING\) trains in $R/run; two at once cannot" || give_up "a second job is not refused clearly"
job=$first

kill_process KILL rollout-0
await_line 'rollout-0 on n[123] was ended by signal 9; starting it again in 1 s'
kill_process KILL learner 1
await_line 'learner on n[123,]* was ended by signal [0-9]+; starting it again'
kill_process KILL coordinator
await_line 'coordinator on n1 was ended by signal 9; starting it again'
await_line 'coordinator listens .* life 2\)'
[ "$(steps_done)" -lt $steps ] || fail "the run was not held up"
before=$(pid_of reward-0)
srun=$(pgrep -f -- "srun .*--job-name=reward-0 .*$R/run" | head -n 1)
kill -KILL "$srun"
await_line 'reward-0 on n[123] was ended by signal 9; starting it again'
gone() { [ ! -e "/proc/$before" ]; }
await "the end of the step whose srun was killed" gone
[ "$(steps_done)" -lt $steps ] || fail "the step whose srun was killed lived on until the job ended"
expect_end 0
check_run
