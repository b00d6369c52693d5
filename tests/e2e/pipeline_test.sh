#!/usr/bin/env bash
# The whole loop: train to the end, its files, a second start that has nothing to do, other worker counts, eval.
. "$(dirname "$0")/lib.sh"
R=$W/pipeline && rm -rf "$R" && mkdir "$R"
"$P" train "${train_options[@]}" --output_dir "$R/a" --max_steps 6 --layout learner=2,rollout=2,reward=1 >"$R/a.log" 2>&1 || { cat "$R/a.log"; fail train; }
digest=$(require_digest "$R/a.log")
for file in config.ini metrics.jsonl completions.jsonl curves.svg report.html; do [ -s "$R/a/$file" ] || fail "$file is missing"; done
ls "$R"/a/events.out.tfevents.* "$R"/a/rollouts/*.h5 "$R"/a/checkpoints/step-000006/MANIFEST.json >/dev/null
[ "$(wc -l <"$R/a/metrics.jsonl")" = 6 ] || fail "metrics.jsonl has not one line a step"
grep -q '"sampling/sampling_logp_difference/max"' "$R/a/metrics.jsonl" || fail "no sampling/learner difference in the metrics"

# Nothing to do: says so, same digest, nothing added.
"$P" train "${train_options[@]}" --output_dir "$R/a" --max_steps 6 --layout learner=2,rollout=2,reward=1 >"$R/again.log" 2>&1 || { cat "$R/again.log"; fail "second start"; }
[ "$(require_digest "$R/again.log")" = "$digest" ] || fail "the digest changed on a second start"
[ "$(wc -l <"$R/a/metrics.jsonl")" = 6 ] || fail "the second start added metrics"

# Another number of workers changes nothing.
"$P" train "${train_options[@]}" --output_dir "$R/b" --max_steps 6 --layout learner=2,rollout=1,reward=2 --max_rows 5 >"$R/b.log" 2>&1 || { cat "$R/b.log"; fail train; }
[ "$(require_digest "$R/b.log")" = "$digest" ] || fail "one rollout worker gives another digest than two"

# A different configuration in the same folder is refused and named.
expect_code 2 'seed' "$P" train "${train_options[@]/#7/8}" --output_dir "$R/a" --max_steps 6

"$P" eval --model "$R/a/checkpoints/step-000006" --dataset "$W/data/eval.jsonl" --output_dir "$R/eval" --max_completion_length 24 >"$R/eval.log" 2>&1 || { cat "$R/eval.log"; fail eval; }
grep -q 'paired' <<<"$("$P" eval --model "$W/sft" --dataset "$W/data/eval.jsonl" --output_dir "$R/eval0" --max_completion_length 24 --baseline "$R/eval")" || fail "no paired comparison"
[ -s "$R/eval/eval.json" ] && [ -s "$R/eval/greedy.html" ] || fail "eval wrote no report"
echo "digest $digest"
