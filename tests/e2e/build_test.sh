#!/usr/bin/env bash
# Every set of `data build` through the command: twice the same bytes, counted alike by a dry run, readable by what comes next; and
# cold-start texts from a model and from a file.
. "$(dirname "$0")/lib.sh"
R=$W/build-test
rm -rf "$R" && mkdir -p "$R"
sizes=(--prosody_rows 60 --prosody_eval_rows 50 --stress_rows 20 --comparative_rows 24 --comparative_eval_rows 12 --coldstart_rows 40
  --rm_rows 40 --rm_eval_rows 20)
"$P" data synth --out "$R/corpus.h5" --utterances 36 --test_utterances 18 --seed 5 --stress_share 0.6
"$P" data build --corpus "$R/corpus.h5" --output_dir "$R/none" "${sizes[@]}" --dry_run | tee "$R/dry.txt"
[ ! -e "$R/none" ] || fail "a dry run wrote something"
"$P" data build --corpus "$R/corpus.h5" --output_dir "$R/a" "${sizes[@]}" | tee "$R/wrote.txt"
"$P" data build --corpus "$R/corpus.h5" --output_dir "$R/b" "${sizes[@]}" --jobs 2 >/dev/null
diff -r "$R/a" "$R/b" || fail "the same command wrote other bytes"
[ "$(grep -o 'prosody.sft.jsonl 60 rows.*' "$R/dry.txt")" = "$(grep -o 'prosody.sft.jsonl 60 rows.*' "$R/wrote.txt")" ] ||
  fail "the dry run counted other rows"
for file in prosody.sft prosody.eval stress.sft comparative.sft comparative.eval coldstart.sft rl eval rm.sft rm.eval; do
  [ -s "$R/a/$file.jsonl" ] || fail "no rows in $file.jsonl"
done
# The rows load, their clips are where they say, and a model can be scored on them.
for file in comparative.sft stress.sft rm.eval; do
  head -n 3 "$R/a/$file.jsonl" >"$R/a/few.jsonl"
  "$P" score --model "$W/sft" --input "$R/a/few.jsonl" --output "$R/scored.jsonl"
  [ "$(grep -c logprobs "$R/scored.jsonl")" = 3 ] || fail "score did not read $file.jsonl"
done
"$P" data build --corpus "$R/corpus.h5" --output_dir "$R/model" --prosody_rows 0 --coldstart_rows 8 --writer "model:$W/sft" --writer_retries 1 \
  --max_completion_length 24 | tee "$R/model.txt"
grep -qE 'writer: [0-9]+ texts by model sft, [0-9]+ by the grammar; [0-9]+ attempts' "$R/model.txt" || fail "no word about who wrote"
[ "$(grep -cE '"writer":"(model:sft|grammar:small)"' "$R/model/coldstart.sft.jsonl")" = 8 ] || fail "rows do not say their writer"
printf '{"id":"train-000003","reasoning":"The voice is calm and even, as in a neutral mood."}\n' >"$R/texts.jsonl"
"$P" data build --corpus "$R/corpus.h5" --output_dir "$R/file" --prosody_rows 0 --coldstart_rows 36 --writer "jsonl:$R/texts.jsonl" --prompt_style paper
[ "$(grep -c 'The voice is calm and even' "$R/file/coldstart.sft.jsonl")" = 1 ] || fail "the file's text is not in the set"
expect_code 2 '--writer nobody: expected grammar' "$P" data build --corpus "$R/corpus.h5" --output_dir "$R/x" --writer nobody
expect_code 3 'texts.jsonl|cannot be read' "$P" data build --corpus "$R/corpus.h5" --output_dir "$R/x" --writer "jsonl:$R/none.jsonl"
expect_code 3 'no such' "$P" data build --corpus "$R/none.h5" --output_dir "$R/x"
[ ! -e "$R/x" ] || fail "a refused build left a folder"
rm -rf "$R"
