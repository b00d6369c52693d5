#!/usr/bin/env bash
# eval as a user runs it: several sets, the prosody test, killed and gone on, any number of threads, runs side by side.
. "$(dirname "$0")/lib.sh"
R=$W/eval-run && rm -rf "$R" && mkdir "$R"
# Prosody questions from the rows of the emotion set: the pitch, and one of which only another set has.
row() { grep -o '"audios":\["[^"]*"\]' <<<"$1" | sed "s|\"\.\./|\"$W/|"; }
question() { # ROW ATTRIBUTE OPTIONS
  local solution; solution=$(grep -oE "\"$2\":\"[a-z-]+\"" <<<"$1" | head -n 1 | cut -d'"' -f4); [ -n "$solution" ] || return 0
  printf '{"messages":[{"role":"user","content":"<audio>What is the %s?"}],%s,"attribute":"%s","options":[%s],"solution":"%s","id":"%s"}\n' \
    "$2" "$(row "$1")" "$2" "$3" "$solution" "$(grep -o '"id":"[^"]*"' <<<"$1" | cut -d'"' -f4)"
}
while read -r line; do
  question "$line" pitch '"low","normal","high"'
  question "$line" speed '"slow","normal","fast"'
done <"$W/data/eval.jsonl" >"$R/prosody.eval.jsonl"
head -n 9 "$W/data/eval.jsonl" >"$W/data/eval-few.jsonl"
sets="$W/data/eval.jsonl,few=$W/data/eval-few.jsonl,$R/prosody.eval.jsonl"
common=(--dataset "$sets" --max_completion_length 24 --bootstrap_samples 200)
eval_one() { local model=$1 out=$2; shift 2; "$P" eval --model "$model" --output_dir "$out" "${common[@]}" "$@"; }

eval_one "$W/sft" "$R/a" --num_threads 1 >"$R/a.log" 2>&1 || { cat "$R/a.log"; fail eval; }
for word in 'Emotion recognition' 'average' 'Prosody test' 'mean over attributes' 'reference . answer'; do
  grep -q "$word" "$R/a.log" || { cat "$R/a.log"; fail "no '$word' in the output"; }
done
for file in eval.json summary.txt greedy.html sampled.html records.jsonl; do [ -s "$R/a/$file" ] || fail "$file is missing"; done
rows=$(($(wc -l <"$R/a/records.jsonl") - 1))
[ $((rows % 2)) = 0 ] && [ "$rows" -gt 100 ] || fail "$rows records"

# Threads and rows at a time change no byte.
eval_one "$W/sft" "$R/b" --num_threads 3 --max_rows 5 >/dev/null 2>&1
cmp "$R/a/records.jsonl" "$R/b/records.jsonl" || fail "threads change the responses"

# Killed, with a torn last line: goes on from there, with the same end.
"$P" eval --model "$W/sft" --output_dir "$R/cut" "${common[@]}" --max_rows 2 >/dev/null 2>&1 & run=$!
for _ in $(seq 9000); do [ "$(wc -l 2>/dev/null <"$R/cut/records.jsonl" || echo 0)" -ge 8 ] && break; kill -0 $run 2>/dev/null || break; sleep 0.01; done
kill -STOP $run  # held meanwhile, so that the folder is in use
expect_code 4 'in use by process [0-9]+' eval_one "$W/sft" "$R/cut"
kill -9 $run 2>/dev/null || true; wait $run 2>/dev/null || true
kept=$(wc -l <"$R/cut/records.jsonl"); [ "$kept" -lt "$rows" ] || fail "the eval was over before it could be killed"
printf '{"decoding":"gree' >>"$R/cut/records.jsonl"
eval_one "$W/sft" "$R/cut" >"$R/cut.log" 2>&1 || { cat "$R/cut.log"; fail "the second eval failed"; }
grep -q "eval: $((kept - 1)) of $rows rows are there already" "$R/cut.log" || { cat "$R/cut.log"; fail "it began again"; }
cmp "$R/a/records.jsonl" "$R/cut/records.jsonl" || fail "other responses after the kill"
cmp "$R/a/eval.json" "$R/cut/eval.json" || fail "other results after the kill"
expect_code 2 'temperature 1.0 \(this one has 0.5\)' eval_one "$W/sft" "$R/a" --temperature 0.5
expect_code 2 'model ' eval_one "$W/init" "$R/a"

# Side by side; a run against itself has no differences; other sets are refused by the first record.
eval_one "$W/init" "$R/c" --decoding greedy >/dev/null 2>&1
"$P" eval --compare "$R/a,$R/b,$R/c" --output_dir "$R/compared" --bootstrap_samples 200 >"$R/compared.log" || { cat "$R/compared.log"; fail compare; }
grep -qE ' difference +p +Holm' "$R/compared.log" || { cat "$R/compared.log"; fail "no differences"; }
grep -q 'sampled' "$R/compared.log" && fail "a decoding that one run lacks was compared"
[ -s "$R/compared/comparison.html" ] && [ -s "$R/compared/comparison.json" ] || fail "comparison wrote no files"
sed 's/test-000003/test-999999/' "$R/a/records.jsonl" >"$R/other.jsonl"; mkdir -p "$R/d" && mv "$R/other.jsonl" "$R/d/records.jsonl"
expect_code 3 "record 'test-000003'" "$P" eval --compare "$R/a,$R/d" --output_dir "$R/x"
expect_code 3 'nowhere/records.jsonl' "$P" eval --compare "$R/a,$R/nowhere" --output_dir "$R/x"
expect_code 2 'at least two' "$P" eval --compare "$R/a" --output_dir "$R/x"
# Repetitions under one name: each of them, and the average.
for seed in 1 2; do mkdir -p "$R/seed-$seed" && cp -r "$R/a" "$R/seed-$seed/sft" && cp -r "$R/c" "$R/seed-$seed/init" && cp -r "$R/b" "$R/seed-$seed/again"; done
runs="sft=$R/seed-1/sft,init=$R/seed-1/init,again=$R/seed-1/again"
"$P" eval --compare "$runs,${runs//seed-1/seed-2}" --output_dir "$R/seeds" --bootstrap_samples 200 >"$R/seeds.log" || { cat "$R/seeds.log"; fail "compare over seeds"; }
for line in 'average of 4 sets' '^seed-1/eval \(emotion' '^seed-2/few \(emotion' '^average \(emotion' '^  run +accuracy +reasoning quality +faithfulness precision +faithfulness recall$'; do
  grep -qE "$line" "$R/seeds.log" || { cat "$R/seeds.log"; fail "no '$line' in the comparison over seeds"; }
done
expect_code 2 'has no name' "$P" eval --compare "$runs,$R/b" --output_dir "$R/x"
expect_code 2 'there twice' "$P" eval --compare "$runs,sft=$R/seed-1/sft" --output_dir "$R/x"
expect_code 3 "was not" "$P" eval --compare "$runs,sft=$R/seed-2/sft" --output_dir "$R/x"
grep -q 'change, paired' <<<"$(eval_one "$W/init" "$R/e" --decoding greedy --baseline "$R/a" 2>&1)" || fail "no paired comparison with a baseline"

# Bad input.
bad() { expect_code "$1" "$2" "$P" eval --model "$W/sft" --output_dir "$R/x" --dataset "$3" "${@:4}"; }
sed '2s/"options":\[[^]]*\],//' "$R/prosody.eval.jsonl" >"$R/no-options.jsonl"
bad 3 'no-options.jsonl:2: .*options' "$R/no-options.jsonl"
sed '3s/"solution":"[a-z]*"/"solution":""/' "$R/prosody.eval.jsonl" >"$R/no-solution.jsonl"
bad 3 'no-solution.jsonl:3: .*solution' "$R/no-solution.jsonl"
bad 2 "both be called 'eval'" "$W/data/eval.jsonl,$W/data/eval.jsonl"
bad 2 "reasoning_scorer.*'fluent'" "$W/data/eval.jsonl" --reasoning_scorer fluent
bad 3 'nothing.jsonl' "$R/nothing.jsonl"
depth=$(printf '[%.0s' $(seq 100)); echo "{\"decoding\":$depth" >"$R/d/records.jsonl"
expect_code 3 'nested' "$P" eval --compare "$R/a,$R/d" --output_dir "$R/x"
echo "$rows records, the same bytes with other threads and after a kill"
