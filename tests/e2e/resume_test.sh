#!/usr/bin/env bash
# SIGTERM saves and exits with 6; the same command goes on; kill -9 of everything likewise; --lag 1 repeats.
. "$(dirname "$0")/lib.sh"
R=$W/resume && rm -rf "$R" && mkdir "$R"
steps=80
options=("${train_options[@]}" --max_steps $steps --lag 1 --layout learner=2,rollout=2,reward=1)
"$P" train "${options[@]}" --output_dir "$R/whole" >"$R/whole.log" 2>&1 || { cat "$R/whole.log"; fail train; }
digest=$(require_digest "$R/whole.log")
start() { "$P" train "${options[@]}" --output_dir "$R/cut" >>"$R/cut.log" 2>&1 & run=$!; }
wait_for_step() {
  for _ in $(seq 1200); do [ "$(wc -l 2>/dev/null <"$R/cut/metrics.jsonl" || echo 0)" -ge "$1" ] && return; kill -0 $run 2>/dev/null || { cat "$R/cut.log"; fail "the run ended early"; }; sleep 0.05; done
  cat "$R/cut.log"; fail "step $1 was not reached in 60 s"
}
start && wait_for_step 3
# A second start in a folder in use is refused and harms nothing. The coordinator is held meanwhile, so that it is in use.
pkill -STOP -f -- "^[^ ]*prosodia coordinator --config $R/cut/config.ini"
expect_code 4 'another coordinator' "$P" train "${options[@]}" --output_dir "$R/cut"
pkill -CONT -f -- "^[^ ]*prosodia coordinator --config $R/cut/config.ini"
kill -TERM $run; code=0; wait $run || code=$?
[ "$code" = 6 ] || { cat "$R/cut.log"; fail "SIGTERM gave exit code $code instead of 6"; }
pgrep -f -- "--config $R/cut/config.ini" && fail "processes were left behind"
start && wait_for_step 30
pkill -9 -f -- "prosodia [a-z]* --config $R/cut/config.ini" || true
kill -9 $run 2>/dev/null || true; wait $run 2>/dev/null || true
sleep 0.5; pkill -9 -f -- "--config $R/cut/config.ini" || true
start; wait $run || { cat "$R/cut.log"; fail "the resumed run failed"; }
[ "$(require_digest "$R/cut.log")" = "$digest" ] || { cat "$R/cut.log"; fail "resuming changed the digest"; }
[ "$(wc -l <"$R/cut/metrics.jsonl")" = $steps ] || fail "metrics.jsonl has not one line a step"
echo "digest $digest whole, and cut twice"
