#!/usr/bin/env bash
# What infer samples, score gives the same log-probabilities for: one forward.
. "$(dirname "$0")/lib.sh"
R=$W/infer && rm -rf "$R" && mkdir "$R"
head -n 6 "$W/data/eval.jsonl" | sed "s|\"\.\./|\"$W/|g" >"$W/data/some.jsonl"
"$P" infer --model "$W/sft" --input "$W/data/some.jsonl" --output "$R/sampled.jsonl" --num_generations 3 --max_completion_length 24 --seed 5
"$P" infer --model "$W/sft" --input "$W/data/some.jsonl" --output "$R/again.jsonl" --num_generations 3 --max_completion_length 24 --seed 5 --max_rows 2
cmp "$R/sampled.jsonl" "$R/again.jsonl" || fail "the batch size changed what is sampled"
[ "$(grep -o '"finish_reason"' "$R/sampled.jsonl" | wc -l)" = 18 ] || fail "not 18 completions"
