#!/usr/bin/env bash
# What infer samples, score gives the same log-probabilities for: one forward.
. "$(dirname "$0")/lib.sh"
R=$W/infer && rm -rf "$R" && mkdir "$R"
head -n 6 "$W/data/eval.jsonl" | sed "s|\"\.\./|\"$W/|g" >"$W/data/some.jsonl"
"$P" infer --model "$W/sft" --input "$W/data/some.jsonl" --output "$R/sampled.jsonl" --num_generations 3 --max_completion_length 24 --seed 5
"$P" infer --model "$W/sft" --input "$W/data/some.jsonl" --output "$R/again.jsonl" --num_generations 3 --max_completion_length 24 --seed 5 --max_rows 2
cmp "$R/sampled.jsonl" "$R/again.jsonl" || fail "the batch size changed what is sampled"
[ "$(grep -o '"finish_reason"' "$R/sampled.jsonl" | wc -l)" = 18 ] || fail "not 18 completions"

# One prompt is printed as it is sampled: the text of the file form. Rows without --output go to stdout.
"$P" infer --model "$W/sft" --prompt "Which emotion?" --greedy --max_completion_length 12 >"$R/printed.txt" 2>"$R/printed.err"
grep -q 'finish reason: ' "$R/printed.err" || fail "no finish reason: $(cat "$R/printed.err")"
echo '{"messages":[{"role":"user","content":"Which emotion?"}]}' >"$R/prompt.jsonl"
"$P" infer --model "$W/sft" --input "$R/prompt.jsonl" --greedy --max_completion_length 12 >"$R/row.jsonl"
python3 - "$R" <<'PY' || fail "the printed text is not the row's"
import json, sys
row = json.loads(open(sys.argv[1] + "/row.jsonl").read())
assert open(sys.argv[1] + "/printed.txt").read() == row["completions"][0]["text"] + "\n"
PY
# A clip of a corpus, as rows name it.
clip=$(grep -oE '[^"]*corpus\.h5#[^"]*' "$W/data/some.jsonl" | head -n 1)
"$P" infer --model "$W/sft" --prompt "Which emotion?" --audio "$clip" --greedy --max_completion_length 12 >"$R/heard.txt" 2>"$R/heard.err"
cmp -s "$R/printed.txt" "$R/heard.txt" && fail "the answer with $clip is the one without audio"
expect_code 3 'no-such-clip' "$P" infer --model "$W/sft" --prompt x --audio "${clip%#*}#no-such-clip"
expect_code 2 'exclude each other' "$P" infer --model "$W/sft" --prompt x --input "$R/prompt.jsonl"
expect_code 3 'prompt: .*missing.wav does not exist' "$P" infer --model "$W/sft" --prompt x --audio missing.wav
printf '\n{"messages":[{"role":"user","content":"x"}]}\n' >"$R/no_response.jsonl"
expect_code 3 'no_response.jsonl:2: no assistant turn' "$P" score --model "$W/sft" --input "$R/no_response.jsonl"
# A checkpoint becomes a folder that means the same.
"$P" export --model "$W/sft" --output_dir "$R/exported" --max_shard_size 50KB
"$P" infer --model "$R/exported" --input "$W/data/some.jsonl" --output "$R/exported.jsonl" --num_generations 3 --max_completion_length 24 --seed 5
cmp "$R/sampled.jsonl" "$R/exported.jsonl" || fail "export changed the model"
expect_code 2 'something in it already' "$P" export --model "$W/sft" --output_dir "$R/exported"
