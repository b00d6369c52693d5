#!/usr/bin/env bash
# All roles under one mpirun, where a process cannot be replaced alone: when a worker or a learner rank stands still, the whole
# job ends with code 4 and says so; the same command goes on, to the digest of the undisturbed run.
. "$(dirname "$0")/lib.sh"
use_folder mpirun_stuck
start_job() {
  mpirun -n 6 --oversubscribe --bind-to none "$P" train "${chaos_options[@]}" --lease_timeout_s 4 --learner_timeout_s 8 \
    --collective_timeout_s 8 --max_steps "$steps" --output_dir "$R/run" >>"$R/run.log" 2>&1 & run=$!
}
# Ranks in order: coordinator, learner 0 and 1, rollout 0 and 1, reward.
rank() { pgrep -P "$run" -x prosodia | sort -n | sed -n "$(($1 + 1))p"; }
ends_with_4() {  # rank, what the log must say (extended regex)
  local everyone pid code=0
  wait_for_steps_more 2
  everyone=$(pgrep -P "$run" | xargs) pid=$(rank "$1")
  : >"$R/run.log"
  kill -STOP "$pid"; faults=$((faults + 1))
  wait "$run" || code=$?
  [ $code = 4 ] || give_up "a job with rank $1 stopped gave exit code $code instead of 4"
  grep -qE -- "$2" "$R/run.log" || give_up "rank $1 stopped: the log does not say '$2'"
  for _ in $(seq 1500); do gone "$everyone" && break; sleep 0.02; done  # mpirun may be quicker than its daemon
  gone "$everyone" || give_up "rank $1 stopped: processes are left of $everyone"
}
start_job; ends_with_4 3 'rollout-0 stands still .*cannot be replaced.*run the same command again'
start_job; ends_with_4 5 'reward-0 stands still .*cannot be replaced'
start_job; ends_with_4 1 'learner stands still .*cannot be replaced|one of them stands still'
start_job; ends_with_4 2 'one of them stands still'
start_job; finish_run
check_run
echo "faults injected: $faults stopped ranks, each ended the job"
