#!/usr/bin/env bash
# The determinism matrix: the run digest is a function of (configuration, seed, learner ranks) alone. Over 1, 2 and 4 rollout workers,
# decoding batch sizes, lag 0, 1 and 2, kills in mid-run, and resuming from every checkpoint of a stopped run.
# PROSODIA_DIGEST_MATRIX=full: every combination, each repeated (minutes).
. "$(dirname "$0")/lib.sh"
R=$W/digests && rm -rf "$R" && mkdir "$R"
steps=8
save_steps=4
full=${PROSODIA_DIGEST_MATRIX:-}
cells=0
train_in() {  # folder, then options
  local folder=$1
  shift
  "$P" train "${own_save_options[@]}" --output_dir "$folder" --max_steps $steps --save_steps $save_steps "$@"
}
start_in() {  # for the background: $! is then the program itself, not a shell around it
  local folder=$1
  shift
  exec "$P" train "${own_save_options[@]}" --output_dir "$folder" --max_steps $steps --save_steps $save_steps "$@"
}
check() {  # name, expected digest, then options: trains once and compares
  local name=$1 want=$2
  shift 2
  train_in "$R/$name" "$@" >"$R/$name.log" 2>&1 || { cat "$R/$name.log"; fail "$name"; }
  [ "$(require_digest "$R/$name.log")" = "$want" ] || fail "$name: another digest than its lag's first run"
  cells=$((cells + 1))
}

declare -A digest=()
for lag in 0 1 2; do
  train_in "$R/lag$lag" --lag $lag --layout learner=1,rollout=1,reward=1 >"$R/lag$lag.log" 2>&1 || { cat "$R/lag$lag.log"; fail "lag $lag"; }
  digest[$lag]=$(require_digest "$R/lag$lag.log")
done
[ "${digest[0]}" != "${digest[1]}" ] && [ "${digest[1]}" != "${digest[2]}" ] || fail "the lag changes nothing"

if [ "$full" = full ]; then
  for lag in 0 1 2; do for rollouts in 1 2 4; do for rows in 1 3 64; do for repeat in 1 2; do
    check "lag$lag-rollout$rollouts-rows$rows-$repeat" "${digest[$lag]}" --lag $lag --max_rows $rows --layout learner=1,rollout=$rollouts,reward=2
  done; done; done; done
else  # a Latin square of it
  check lag0-two "${digest[0]}" --lag 0 --max_rows 3 --layout learner=1,rollout=2,reward=1
  check lag1-four "${digest[1]}" --lag 1 --max_rows 1 --layout learner=1,rollout=4,reward=1
  check lag2-again "${digest[2]}" --lag 2 --layout learner=1,rollout=2,reward=2
fi

save_steps=1
# Stopped in the middle, then resumed from each of its checkpoints: later ones are taken away.
start_in "$R/stopped" --lag 1 --save_total_limit 20 --layout learner=1,rollout=2,reward=1 >"$R/stopped.log" 2>&1 &
run=$!
for _ in $(seq 1200); do [ "$(wc -l 2>/dev/null <"$R/stopped/metrics.jsonl" || echo 0)" -ge 3 ] && break; kill -0 $run 2>/dev/null || break; sleep 0.02; done
kill -TERM $run 2>/dev/null || true
wait $run || true
versions=$(ls "$R/stopped/checkpoints" | grep -oE '[0-9]{6}$')
[ -n "$versions" ] || { cat "$R/stopped.log"; fail "no checkpoint after the stop"; }
[ "$full" = full ] || versions=$(sed -n '1p;$p' <<<"$versions" | uniq)
for version in $versions; do
  cp -r "$R/stopped" "$R/from-$version"
  for later in "$R/from-$version"/checkpoints/step-*; do [ "${later##*-}" -le "$version" ] 2>/dev/null || rm -r "$later"; done
  check "from-$version" "${digest[1]}" --lag 1 --save_total_limit 20 --layout learner=1,rollout=1,reward=1
done

save_steps=4
# Killed in mid-run: rollout worker, then the coordinator.
start_in "$R/killed" --lag 2 --layout learner=1,rollout=2,reward=1 >"$R/killed.log" 2>&1 &
run=$!
for _ in $(seq 1200); do [ "$(wc -l 2>/dev/null <"$R/killed/metrics.jsonl" || echo 0)" -ge 2 ] && break; kill -0 $run 2>/dev/null || break; sleep 0.02; done
for role in rollout coordinator; do
  pid=$(pgrep -f -- "^[^ ]*prosodia $role --config $R/killed/config.ini" | tail -n 1) && kill -9 "$pid" && echo "killed $role" || true
done
wait $run || { cat "$R/killed.log"; fail "the run did not survive"; }
[ "$(require_digest "$R/killed.log")" = "${digest[2]}" ] || fail "kills changed the digest"
echo "$((cells + 1)) cells agree: lag 0 ${digest[0]}, lag 1 ${digest[1]}, lag 2 ${digest[2]}"
