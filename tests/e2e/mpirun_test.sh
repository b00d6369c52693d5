#!/usr/bin/env bash
# All roles from one line: mpirun -n 5, coordinator on rank 0. Same digest as under the supervisor. A wrong -n is explained.
# And roles that are started one by one from a prepared folder.
. "$(dirname "$0")/lib.sh"
R=$W/mpirun && rm -rf "$R" && mkdir "$R"
options=("${train_options[@]}" --max_steps 5)
"$P" train "${options[@]}" --output_dir "$R/supervised" --layout learner=2,rollout=1,reward=1 >"$R/supervised.log" 2>&1 || { cat "$R/supervised.log"; fail train; }
mpirun -n 5 --oversubscribe --bind-to none "$P" train "${options[@]}" --output_dir "$R/mpirun" --layout learner=2,rollout=1,reward=1 >"$R/mpirun.log" 2>&1 || { cat "$R/mpirun.log"; fail "mpirun"; }
[ "$(require_digest "$R/mpirun.log")" = "$(require_digest "$R/supervised.log")" ] || fail "mpirun gives another digest than the supervisor"
# A finished run says so at once.
expect_code 0 'run complete' mpirun -n 5 --oversubscribe --bind-to none "$P" train "${options[@]}" --output_dir "$R/mpirun" --layout learner=2,rollout=1,reward=1
expect_code 2 'mpirun -n 5' mpirun -n 4 --oversubscribe --bind-to none "$P" train "${options[@]}" --output_dir "$R/wrong" --layout learner=2,rollout=1,reward=1

layout=(--layout learner=1,rollout=1,reward=1)
"$P" train "${options[@]}" --output_dir "$R/single" "${layout[@]}" >"$R/single.log" 2>&1 || { cat "$R/single.log"; fail train; }
expect_code 0 '^plan: ' "$P" train "${options[@]}" --output_dir "$R/prepared" "${layout[@]}" --prepare
[ ! -e "$R/prepared/journal" ] || fail "--prepare started a run"
for role in coordinator learner rollout reward; do "$P" $role --config "$R/prepared/config.ini" --name $role >"$R/$role.log" 2>&1 & done
wait
[ "$(require_digest "$R/coordinator.log")" = "$(require_digest "$R/single.log")" ] || fail "roles started one by one give another digest"
expect_code 0 '^run complete: 5 steps' "$P" train "${options[@]}" --output_dir "$R/prepared" "${layout[@]}" --prepare
expect_code 2 'another configuration: --top_p 0.9' "$P" train "${options[@]}" --output_dir "$R/prepared" "${layout[@]}" --top_p 0.9 --prepare
