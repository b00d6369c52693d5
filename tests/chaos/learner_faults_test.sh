#!/usr/bin/env bash
# Learner ranks that die or hang: the whole group goes, stopped ranks included, comes back from the last commit, and
# repeats the same arithmetic.
. "$(dirname "$0")/lib.sh"
use_folder learner_faults
start_run --collective_timeout_s 4
rank() { ranks | sed -n "$(($1 + 1))p"; }
# A group of other processes than before, which trains again.
new_group() { local now; now=$(ranks | sort); [ "$(wc -l <<<"$now")" = 2 ] && [ -z "$(comm -12 <(echo "$before") <(echo "$now"))" ]; }
group_is_back() {  # what
  await "a new learner group ($1)" new_group
  wait_for_steps_more 2
  for pid in $before; do ! kill -0 "$pid" 2>/dev/null || give_up "$1: rank $pid of the old group is still there"; done
  echo "$1: back with ranks $(ranks | xargs), step $(lines)"
}
fault() { faults=$((faults + 1)); wait_for_steps_more 2; await "two ranks" two_ranks; before=$(ranks | sort); }

# In mid-collective: rank 1 stands still, so rank 0 waits inside a collective for it, and is killed there.
fault; victim=$(rank 0)
kill -STOP "$(rank 1)"; sleep 0.5; kill -9 "$victim"
group_is_back "rank 0 killed inside a collective"

fault; kill -9 "$(rank 1)"
group_is_back "rank 1 killed"

fault; kill -STOP "$(rank 1)"   # found by the deadline of rank 0's collective
group_is_back "rank 1 stopped"

fault; kill -STOP "$(rank 0)"   # silent, with its heartbeats
group_is_back "rank 0 stopped"

fault; kill -9 "$(pid_of mpirun)"
group_is_back "mpirun killed"
finish_run
check_run
echo "faults injected: $faults on the learner group"
