#!/usr/bin/env bash
# Coordinator and learner in one network namespace, rollout and reward workers in another, CURVE over a veth pair between
# them.
. "$(dirname "$0")/../../e2e/lib.sh"
. "$(dirname "$0")/roles.sh"
R=$W/namespaces && rm -rf "$R" && mkdir "$R"
command -v ip >/dev/null || skip "needs ip (iproute2)"
a=prosodia-a-$$ b=prosodia-b-$$
cleanup() { end_roles; ip netns del "$a" 2>/dev/null || true; ip netns del "$b" 2>/dev/null || true; }
trap cleanup EXIT
{ ip netns add "$a" && ip netns add "$b" && ip link add "va$$" netns "$a" type veth peer name "vb$$" netns "$b"; } 2>"$R/ip.log" ||
  skip "may not make network namespaces: $(tail -n 1 "$R/ip.log")"
ip -n "$a" addr add 10.77.0.1/24 dev "va$$" && ip -n "$b" addr add 10.77.0.2/24 dev "vb$$"
for n in "$a" "$b"; do ip -n "$n" link set lo up; done
ip -n "$a" link set "va$$" up && ip -n "$b" link set "vb$$" up

options=("${train_options[@]}" --max_steps 5 --layout learner=1,rollout=2,reward=1)
"$P" keygen --output_dir "$R/keys" >/dev/null
"$P" train "${options[@]}" --output_dir "$R/plain" >"$R/plain.log" 2>&1 || { cat "$R/plain.log"; fail train; }
digest=$(require_digest "$R/plain.log")

run=("${options[@]}" --output_dir "$R/run" --keys "$R/keys" --bind 10.77.0.1)
mkdir -p "$R/run"
role "$R/coordinator.log" ip netns exec "$a" "$P" coordinator "${run[@]}"
coordinator=$!
wait_for_file "$R/run/coordinator.endpoint"
endpoint=$(cat "$R/run/coordinator.endpoint")
[[ $endpoint == tcp://10.77.0.1:* ]] || fail "the coordinator listens on $endpoint"
role "$R/learner.log" ip netns exec "$a" "$P" learner "${run[@]}"
role "$R/rollout-0.log" ip netns exec "$b" "$P" rollout "${run[@]}" --connect "$endpoint" --name rollout-0
role "$R/rollout-1.log" ip netns exec "$b" "$P" rollout "${run[@]}" --connect "$endpoint" --name rollout-1
role "$R/reward-0.log" ip netns exec "$b" "$P" reward "${run[@]}" --connect "$endpoint" --name reward-0
wait_for_run $coordinator "$R/coordinator.log"
[ "$(require_digest "$R/coordinator.log")" = "$digest" ] || fail "two namespaces give another digest than one machine"
echo "digest $digest on one machine and across two network namespaces"
