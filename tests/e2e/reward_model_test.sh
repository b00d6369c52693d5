#!/usr/bin/env bash
# A reward model from rows to reward curves: train-rm with its report, resumed and alone; the scorer in eval and in train, where the
# digest is the same with one and two rollout workers and after kill -9 of the reward worker; what users get wrong.
. "$(dirname "$0")/lib.sh"
R=$W/reward_model && rm -rf "$R" && mkdir "$R"

# Rows: a cold-start response as it is is good, one without its reasoning is bad in three of the four ways.
grades() { printf '{\\"factual_alignment\\":%d,\\"interpretative_quality\\":%d,\\"caption_completeness\\":%d,\\"fluency_structural_clarity\\":%d}' "$@"; }
rows() {  # reads cold-start rows
  sed -nE 's/.*"role":"user","content":"<audio>([^"]*)".*"role":"assistant","content":"<think>([^"]*)<\/think>([^"]*)".*"audios":\["([^"]*)"\].*/\1\t\2\t\3\t\4/p' |
    while IFS=$'\t' read -r question think answer audio; do
      for kind in good bad; do
        if [ $kind = good ]; then response="<think>$think</think>$answer"; scores=$(grades 5 4 5 5); else response="<think>no.</think>$answer"; scores=$(grades 2 1 1 4); fi
        printf '{"messages":[{"role":"system","content":"Grade the response."},{"role":"user","content":"<audio>%s\\nResponse: %s"},{"role":"assistant","content":"%s"}],"audios":["%s"]}\n' \
          "$question" "$response" "$scores" "$audio"
      done
    done
}
head -n 60 "$W/data/coldstart.sft.jsonl" | rows >"$W/data/rm.sft.jsonl"
tail -n 12 "$W/data/coldstart.sft.jsonl" | rows >"$W/data/rm.eval.jsonl"
[ "$(wc -l <"$W/data/rm.sft.jsonl")" = 120 ] && [ "$(wc -l <"$W/data/rm.eval.jsonl")" = 24 ] || fail "the rows were not made"

train_rm=("$P" train-rm --model "$W/sft" --dataset "$W/data/rm.sft.jsonl" --eval_dataset "$W/data/rm.eval.jsonl" --per_device_train_batch_size 16
  --learning_rate 5e-3 --bootstrap_samples 50)
"${train_rm[@]}" --output_dir "$R/rm" --max_steps 40 --eval_steps 20 --nproc_per_node 2 | tee "$R/rm.log"
grep -q '"criteria"' "$R/rm/prosodia_reward_model.json" || fail "no card"
[ "$(wc -l <"$R/rm/rm_eval.jsonl")" = 2 ] || fail "not one evaluation every 20 steps"
[ -s "$R/rm/rm_report.html" ] || fail "no page"
grep -qE 'factual_alignment +0\.[5-9]|factual_alignment +1\.' "$R/rm/rm_report.txt" || { cat "$R/rm/rm_report.txt"; fail "it did not learn to tell good from bad"; }
grep -qE '24 rows, 24 graded' "$R/rm/rm_report.txt" || fail "rows without grades"
# Again: nothing left to train, the same report. Alone, on one process: the same grades.
cp "$R/rm/rm_report.json" "$R/first.json"
"${train_rm[@]}" --output_dir "$R/rm" --max_steps 40 --eval_steps 20 --nproc_per_node 2 >"$R/again.log"
cmp "$R/first.json" "$R/rm/rm_report.json" || fail "the report changed"
"$P" train-rm --eval_only true --model "$R/rm" --eval_dataset "$W/data/rm.eval.jsonl" --output_dir "$R/alone" --bootstrap_samples 50 >"$R/alone.log"
diff <(grep -v '"model"' "$R/first.json") <(grep -v '"model"' "$R/alone/rm_report.json") || fail "--eval_only reports other grades"

scorer=(--reward_model "$R/rm")
open_gate=("${own_save_options[@]:0:${#own_save_options[@]}-1}" 0)  # the shared options open it at step 3: here at 0
[ "${open_gate[-2]} ${open_gate[-1]}" = "--gate_start_step 0" ] || fail "the shared options no longer end with the gate"
# The tiny policy is never right: without this tau would be 0 and no grade would reach a weight.
options=("${open_gate[@]}" "${scorer[@]}" --trust_all_wrong 1 --save_steps 3 --max_steps 3)
"$P" train "${options[@]}" --output_dir "$R/one" --layout learner=1,rollout=1,reward=1 >"$R/one.log" 2>&1 || { cat "$R/one.log"; fail train; }
digest=$(require_digest "$R/one.log")
grep -q 'reasoning_scorer *= *reward_model' "$R/one/config.ini" || fail "--reward_model alone does not choose the scorer"
grep -qE '^reward_model_digest *= *[0-9a-f]{64}' "$R/one/config.ini" || fail "the reward model's identity is not recorded"
for criterion in factual_alignment interpretative_quality caption_completeness fluency_clarity; do
  grep -q "$criterion" "$R/one/metrics.jsonl" || { tail -n 1 "$R/one/metrics.jsonl"; fail "$criterion is not logged"; }
done
grep -qE '"reward_std":0(\.0)?[,}]' "$R/one/metrics.jsonl" && fail "the grades changed no reward"
"$P" train "${options[@]}" --output_dir "$R/two" --layout learner=1,rollout=2,reward=2 >"$R/two.log" 2>&1 || { cat "$R/two.log"; fail "two workers"; }
[ "$(require_digest "$R/two.log")" = "$digest" ] || fail "the number of workers changed the digest"

"$P" train "${options[@]}" --output_dir "$R/killed" --layout learner=1,rollout=1,reward=1 >"$R/killed.log" 2>&1 &
run=$!
pid=
for _ in $(seq 1200); do
  pid=$(pgrep -P $run -f -- "^[^ ]*prosodia reward --config" | tail -n 1) && [ "$(wc -l 2>/dev/null <"$R/killed/metrics.jsonl" || echo 0)" -ge 1 ] && break
  kill -0 $run 2>/dev/null || break
  sleep 0.05
done
kill -9 "$pid" || fail "no reward worker was killed"
wait $run || { cat "$R/killed.log"; fail "the run did not survive"; }
[ "$(require_digest "$R/killed.log")" = "$digest" ] || fail "a killed reward worker changed the digest"

# A threshold that no answer reaches: every response leaves, by reason, and the run says so instead of scoring 0.
"$P" train "${open_gate[@]}" "${scorer[@]}" --save_steps 1 --max_steps 1 --max_attempts 2 --rm_min_digit_mass 1 --output_dir "$R/unparsable" \
  --layout learner=1,rollout=1,reward=1 >"$R/unparsable.log" 2>&1 || { cat "$R/unparsable.log"; fail "the run without grades"; }
grep -q '"reward/missing_unparsable":16' "$R/unparsable/metrics.jsonl" || { tail -n 1 "$R/unparsable/metrics.jsonl"; fail "not every response is missing as unparsable"; }
grep -q 'the digits 1 to 5 hold' "$R/unparsable/logs/"reward*.log || fail "no word of what was unparsable"

"$P" train "${open_gate[@]}" "${scorer[@]}" --reasoning_scorer mean --save_steps 1 --max_steps 1 --output_dir "$R/mean" \
  --layout learner=1,rollout=1,reward=1 >"$R/mean.log" 2>&1 || { cat "$R/mean.log"; fail mean; }

head -n 12 "$W/data/eval.jsonl" >"$W/data/rm12.jsonl"
"$P" eval --model "$W/sft" --dataset "$W/data/rm12.jsonl" "${scorer[@]}" --output_dir "$R/eval" --bootstrap_samples 100 >"$R/eval.log" 2>&1 || { cat "$R/eval.log"; fail eval; }
[ "$(grep -c '"criteria":\[' "$R/eval/records.jsonl")" = 24 ] || fail "eval has responses without the reward model's grades"

# What users get wrong.
train=("$P" train "${own_save_options[@]}" --save_steps 1 --max_steps 1 --output_dir "$R/x")
expect_code 2 'needs --reward_model' "${train[@]}" --reasoning_scorer reward_model
expect_code 2 'no effect' "${train[@]}" "${scorer[@]}" --reasoning_scorer acoustic
expect_code 3 'nowhere' "${train[@]}" --reward_model "$R/nowhere"
expect_code 2 'reward_model_digest' "$P" train "${open_gate[@]}" --trust_all_wrong 1 --save_steps 3 --max_steps 3 --reward_model "$W/sft" --output_dir "$R/one" --layout learner=1,rollout=1,reward=1
cp -r "$R/rm" "$R/other" && sed -i 's/Grade the response/Judge the response/' "$R/other/prosodia_reward_model.json"
expect_code 3 'train the reward model again' "${train[@]}" --reward_model "$R/other"
expect_code 3 'rm.sft.jsonl' "$P" train-rm --model "$W/sft" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/y" --max_steps 1
expect_code 2 'eval_dataset' "$P" train-rm --eval_only true --model "$R/rm" --output_dir "$R/y"
