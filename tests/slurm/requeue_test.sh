#!/usr/bin/env bash
# Ends before the end, and going on: the time limit (USR1 saves, requeues, resumes); scancel and a second sbatch in the same
# folder, then a worker that stands still, then a node that fails. The digest is that of the run without Slurm.
. "$(dirname "$0")/cluster.sh"
start_cluster
# The time limit comes near at once, but Slurm looks every half minute; the run is held up meanwhile.
use_folder limit
submit --nodes=2 --time=2 --signal=B:USR1@60 -- --layout learner=2,rollout=1,reward=1
limit=$job
await_step 3
kill_process STOP rollout-0

use_folder cancelled
submit --nodes=2 -- --layout learner=2,rollout=2,reward=1
await_step 3
scancel "$job"
await "the end of job $job" ended
says 'coordinator exited with code 6' || give_up "scancel does not let the run end in order"
await "no process of the run is left" nothing_left
[ -d "$R/run/checkpoints" ] || give_up "scancel saves nothing"
before=$(steps_done)
# The other job: its second life gets the time that it needs.
job=$limit R=$S/limit
await_line 'signal USR1: the step in hand is finished and saved first'
await_line 'requeueing; the next life goes on'
scontrol update jobid="$limit" timelimit=60
R=$S/cancelled
submit --nodes=2 -- --layout learner=2,rollout=1,reward=1 --lease_timeout_s 3
await_step $((before + 3))
kill_process STOP rollout-0
await_line 'rollout-0 on n[1-4] is stuck: .*; killing its step'
await_line 'rollout-0 on n[1-4] was ended by signal 9; starting it again'
await_step $(($(steps_done) + 1))
# A node that fails: Slurm ends the job and requeues it.
kill_process STOP rollout-0
scontrol update nodename="$(awk '$1 == "learner" { sub(/.*,/, "", $2); print $2 }' "$R/run/slurm_job")" state=down reason=test
await_line "job $job \(restart 1\)"
expect_end 0
says "resuming: .* steps trained, newest checkpoint" || give_up "it began anew"
check_run

job=$limit R=$S/limit
says "job $limit \(restart 1\)" || give_up "it was not requeued"
expect_end 0
says 'resuming: ' || give_up "it began anew"
check_run
