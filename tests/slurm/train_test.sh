#!/usr/bin/env bash
# A whole run over four nodes: the digest is that of the run without Slurm; every process is where it should be, with the
# GPUs it should have, logged and encrypted. A finished run says so. What cannot work is refused with a reason.
. "$(dirname "$0")/cluster.sh"
start_cluster
use_folder train
PROSODIA_LEARNER_NODES=2 submit --nodes=4 --gres=gpu:4 -- --layout learner=2,rollout=3,reward=1
expect_end 0
check_run

expect_line() { grep -qE -- "$2" "$R/run/logs/$1" || { tail -n 5 "$R"/run/logs/*; fail "no '$2' in logs/$1"; }; }
# Ranks fill the first nodes; workers go where the fewest GPUs are in use, then where the fewest processes are.
expect_line coordinator.n1.log 'coordinator rank 0 on node n1, .* GPUs none$'
expect_line coordinator.n1.log 'listens on tcp://[^,]*, encrypted'
expect_line learner.n1.log 'learner rank 0 on node n1, .* GPUs 0$'
expect_line learner.n2.log 'learner rank 1 on node n2, .* GPUs 0$'
expect_line rollout-0.n3.log 'on node n3, .* GPUs 0$'
expect_line rollout-1.n4.log 'on node n4, .* GPUs 0$'
expect_line rollout-2.n1.log 'on node n1, .* GPUs 1$'
expect_line reward-0.n2.log 'on node n2, .* GPUs none$'
[ "$(stat -c %a "$R/run/keys/learner.key")" = 600 ] || fail "keys that others can read"
for name in $(sed -n '/^settings=/,/)/p' "$SCRIPTS/lib.sh" | grep -oE '[A-Z_]{3,}'); do
  says "^  PROSODIA_$name=" || give_up "the resolved PROSODIA_$name is not printed"
  grep -q "^| \`PROSODIA_$name\`" "$SCRIPTS/README.md" || fail "scripts/slurm/README.md does not explain PROSODIA_$name"
done
expect_code 0 'rollout-2 +n1 ' "$SCRIPTS/attach" "$R/run"
expect_code 0 'policy version' "$SCRIPTS/attach" "$R/run" --role rollout --index 1 --no-follow
expect_code 2 'the run has no rollout-7; it has: coordinator learner' "$SCRIPTS/attach" "$R/run" --role rollout --index 7
expect_code 2 "is not running" "$SCRIPTS/attach" "$R/run" --role learner --shell true

# Four jobs: the finished run again, and three that cannot work.
submit --nodes=2 -- --layout learner=2,rollout=3,reward=1
again=$job
use_folder crowd
submit --nodes=1 --gres=gpu:2 -- --layout learner=2,rollout=9
crowd=$job
use_folder interface
PROSODIA_INTERFACE=nosuch0 submit --nodes=1 -- --layout learner=2,rollout=1,reward=1
interface=$job
use_folder keys
submit --nodes=1 -- --keys elsewhere
keys=$job
refused() {  # JOB FOLDER CODE PATTERN
  job=$1 R=$S/$2
  expect_end "$3"
  says "$4" || give_up "no '$4'"
}
refused "$keys" keys 2 'PROSODIA_KEYS'
refused "$interface" interface 2 "no network interface 'nosuch0'.*it has: .*lo"
refused "$crowd" crowd 2 'needs more than the [0-9] GPU.* of node'
refused "$again" train 0 "run complete: $steps steps"
[ "$(cat "$R"/run/logs/coordinator.* | grep -c '^===')" = 1 ] || fail "a finished run was started again"
