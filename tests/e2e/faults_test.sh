#!/usr/bin/env bash
# With --lag 2, where rollouts and learning overlap: kill -9 of rollout and reward workers, a learner rank and the coordinator in
# mid-run; the run goes on and its digest is that of the undisturbed run. (tests/chaos does much more of this, on-policy.)
. "$(dirname "$0")/lib.sh"
R=$W/faults && rm -rf "$R" && mkdir "$R"
steps=60
options=("${train_options[@]}" --max_steps $steps --lag 2 --layout learner=2,rollout=2,reward=1)
"$P" train "${options[@]}" --output_dir "$R/calm" >"$R/calm.log" 2>&1 || { cat "$R/calm.log"; fail train; }
digest=$(require_digest "$R/calm.log")

"$P" train "${options[@]}" --output_dir "$R/stormy" >"$R/stormy.log" 2>&1 &
run=$!
lines() { wc -l 2>/dev/null <"$R/stormy/metrics.jsonl" || echo 0; }
wait_for_step() {
  for _ in $(seq 1200); do [ "$(lines)" -ge "$1" ] && return; kill -0 $run 2>/dev/null || { cat "$R/stormy.log"; fail "the run ended early"; }; sleep 0.05; done
  cat "$R/stormy.log"; fail "step $1 was not reached in 60 s"
}
killed=0
kill_one() {  # role
  local pid parent=$run
  [ "$1" = learner ] && parent=$(pgrep -P $run -x mpirun)
  pid=$(pgrep -P "$parent" -f -- "^[^ ]*prosodia $1 --config" | tail -n 1) || fail "no $1 process"
  kill -9 "$pid" && killed=$((killed + 1)) && echo "killed $1 (pid $pid) after step $(lines)"
}
wait_for_step 2 && kill_one rollout
wait_for_step 10 && kill_one reward
wait_for_step 18 && kill_one learner
wait_for_step 30 && kill_one coordinator
wait "$run" || { cat "$R/stormy.log"; fail "the run did not survive"; }
[ "$killed" = 4 ] || fail "only $killed processes were killed"
[ "$(require_digest "$R/stormy.log")" = "$digest" ] || fail "faults changed the digest"
[ "$(wc -l <"$R/stormy/metrics.jsonl")" = $steps ] || fail "metrics.jsonl has not one line a step"
echo "digest $digest with and without $killed kills"
