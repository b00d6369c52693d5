#!/usr/bin/env bash
# Keys from end to end with the real binary: keygen, the supervisor, one mpirun, and processes of their own that reach the
# coordinator through a network that delays, stalls, corrupts and cuts. One digest everywhere, and no key in any file.
. "$(dirname "$0")/../../e2e/lib.sh"
. "$(dirname "$0")/roles.sh"
R=$W/encrypted && rm -rf "$R" && mkdir "$R"
trap end_roles EXIT
base=("${train_options[@]}" --layout learner=1,rollout=2,reward=1)
options=("${base[@]}" --max_steps 5)
"$P" train "${options[@]}" --output_dir "$R/plain" >"$R/plain.log" 2>&1 || { cat "$R/plain.log"; fail train; }
digest=$(require_digest "$R/plain.log")

"$P" keygen --output_dir "$R/keys" | tee "$R/keygen.log"
for role in coordinator learner rollout reward; do
  [ "$(stat -c %a "$R/keys/$role.key")" = 600 ] || fail "$role.key has the wrong mode"
done
expect_code 2 'exists already' "$P" keygen --output_dir "$R/keys"
chmod 640 "$R/keys/reward.key"
expect_code 3 'chmod 600' "$P" train "${options[@]}" --output_dir "$R/lax" --keys "$R/keys"
chmod 600 "$R/keys/reward.key"
expect_code 2 'prosodia keygen' "$P" train "${options[@]}" --output_dir "$R/open" --bind 0.0.0.0
expect_code 3 'no-keys' "$P" train "${options[@]}" --output_dir "$R/none" --keys "$R/no-keys"

"$P" train "${options[@]}" --output_dir "$R/supervised" --keys "$R/keys" >"$R/supervised.log" 2>&1 || { cat "$R/supervised.log"; fail "train --keys"; }
[ "$(require_digest "$R/supervised.log")" = "$digest" ] || fail "encryption changed the digest"
grep -rqE 'listens on tcp://127.0.0.1:[0-9]+, encrypted' "$R/supervised.log" "$R/supervised/logs" || fail "the coordinator does not say that it encrypts"

# Longer, so that the second rollout worker is there before the end: under mpirun one that comes too late fails the job.
long=("${base[@]}" --max_steps 60)
"$P" train "${long[@]}" --output_dir "$R/long" >"$R/long.log" 2>&1 || { cat "$R/long.log"; fail "train, 60 steps"; }
mpirun -n 5 --oversubscribe --bind-to none "$P" train "${long[@]}" --output_dir "$R/mpirun" --keys "$R/keys" >"$R/mpirun.log" 2>&1 || { cat "$R/mpirun.log"; fail "mpirun --keys"; }
[ "$(require_digest "$R/mpirun.log")" = "$(require_digest "$R/long.log")" ] || fail "mpirun --keys gives another digest"

# Processes of their own, through the proxy: 20 ms, 1 % of the segments stalled, 0.5 % corrupted, 0.2 % cut.
"$P" keygen --output_dir "$R/keys" --rotate rollout >"$R/rotate.log"
run=("${options[@]}" --output_dir "$R/proxied" --keys "$R/keys")
mkdir -p "$R/proxied"
role "$R/coordinator.log" "$P" coordinator "${run[@]}"
coordinator=$!
wait_for_file "$R/proxied/coordinator.endpoint"
mkfifo "$R/hold" && exec 9<>"$R/hold"
"$PROSODIA_CHAOS_PROXY" "$(cat "$R/proxied/coordinator.endpoint")" 5 20 0.01 0.005 0.002 <"$R/hold" >"$R/proxy.txt" &
pids+=($!)
wait_for_file "$R/proxy.txt"
proxy=$(head -n 1 "$R/proxy.txt")
role "$R/learner.log" "$P" learner "${run[@]}" --connect "$proxy"
role "$R/rollout-0.log" "$P" rollout "${run[@]}" --connect "$proxy" --name rollout-0
role "$R/rollout-1.log" "$P" rollout "${run[@]}" --connect "$proxy" --name rollout-1
role "$R/reward-0.log" "$P" reward "${run[@]}" --connect "$proxy" --name reward-0
wait_for_run $coordinator "$R/coordinator.log"
[ "$(require_digest "$R/coordinator.log")" = "$digest" ] || fail "the network changed the digest"

# Secret keys are nowhere but in their files.
for file in "$R"/keys/*.key; do
  secret=$(awk '/^secret /{print $2}' "$file")
  if grep -rFl --exclude-dir=keys -- "$secret" "$R"; then fail "a secret key of $file is in the file above"; fi
done
echo "digest $digest plain, encrypted, under mpirun, and through a bad network"
