#!/usr/bin/env bash
# sft as a user runs it: stages on two ranks, killed and stopped at random points, its files, what it refuses.
. "$(dirname "$0")/lib.sh"
R=$W/sft-run && rm -rf "$R" && mkdir "$R"
head -n 24 "$W/data/coldstart.sft.jsonl" >"$W/data/dev.sft.jsonl"
cat >"$R/stages.ini" <<END
# A stage starts from the one before.
[prosody]
dataset = $W/data/prosody.sft.jsonl
max_steps = 60
freeze = layers.0
[coldstart]
dataset = $W/data/coldstart.sft.jsonl:0.7,$W/data/prosody.sft.jsonl:0.3
max_steps = 90
learning_rate = 1e-3
eval_dataset = $W/data/dev.sft.jsonl
eval_strategy = steps
eval_steps = 24
load_best_model_at_end = true
END
options=(--model "$W/init" --stages "$R/stages.ini" --learning_rate 3e-3 --warmup_ratio 0.1 --per_device_train_batch_size 8
  --nproc_per_node 2 --logging_steps 5 --save_steps 5 --use_peft --lora_r 4)

"$P" sft "${options[@]}" --output_dir "$R/whole" >"$R/whole.log" 2>&1 || { cat "$R/whole.log"; fail sft; }
for file in config.ini metrics.jsonl curves.svg report.html adapter_model.safetensors; do [ -s "$R/whole/$file" ] || fail "$file is missing"; done
for tag in train/loss train/grad_norm train/learning_rate train/epoch train/num_input_tokens_seen eval/loss eval/mean_token_accuracy; do
  grep -aq "$tag" "$R"/whole/events.out.tfevents.* || fail "no $tag in the TensorBoard events"
done
[ "$(grep -c '"loss"' "$R/whole/metrics.jsonl")" = 30 ] || fail "not a line every five steps"
[ "$(grep -c '"eval_loss"' "$R/whole/metrics.jsonl")" = 4 ] || fail "evaluations are not at steps 84, 108, 132 and 150"
grep -q 'evaluation' "$R/whole/curves.svg" || fail "curves.svg shows no evaluation"

# Killed whole, or one rank, at random points: it goes on, and ends with the same bits.
RANDOM=${SEED:-7}; echo "seed ${SEED:-7}"
start() { "$P" sft "${options[@]}" --output_dir "$R/cut" >>"$R/cut.log" 2>&1 & run=$!; }
a_rank() {  # waits for one: mpirun may only just be starting
  local mpirun rank
  while kill -0 $run 2>/dev/null; do
    mpirun=$(pgrep -P $run -x mpirun) && rank=$(pgrep -P "$mpirun" | tail -n 1) && [ -n "$rank" ] && { echo "$rank"; return; }
    sleep 0.02
  done
  fail "the run is over: no rank to disturb"
}
lines() { wc -l 2>/dev/null <"$R/cut/metrics.jsonl" || echo 0; }
wait_for_lines() {
  for _ in $(seq 6000); do [ "$(lines)" -ge "$1" ] && return; kill -0 $run 2>/dev/null || return 0; sleep 0.02; done
  cat "$R/cut.log"; fail "line $1 of metrics was not reached"
}
sleep_a_little() { sleep "0.$(printf %02d $((RANDOM % 30)))"; }
start; wait_for_lines 1
expect_code 4 "is in use: process [0-9]+" "$P" sft "${options[@]}" --output_dir "$R/cut"
sleep_a_little; tree=$(descendants $run)  # by id: processes of this run and no others
kill -9 $run $tree 2>/dev/null || true; wait $run 2>/dev/null || true
start; wait_for_lines 9; sleep_a_little
kill -9 "$(a_rank)"
wait_for_lines 20; sleep_a_little
kill -TERM $run; code=0; wait $run || code=$?
[ "$code" = 6 ] || [ "$code" = 0 ] || { cat "$R/cut.log"; fail "SIGTERM gave exit code $code"; }
start; wait $run || { cat "$R/cut.log"; fail "the resumed run failed"; }
grep -q 'starting it again' "$R/cut.log" || fail "the killed rank was not noticed"
cmp "$R/whole/adapter_model.safetensors" "$R/cut/adapter_model.safetensors" || { cat "$R/cut.log"; fail "other weights after the kills"; }
numbers() { sed -E 's/"(wall_time|step_time|eval_runtime)":[0-9.e+-]+,?//g' "$1/metrics.jsonl"; }
diff <(numbers "$R/whole") <(numbers "$R/cut") || fail "other metrics after the kills"

# A rank that stands still: the others do not wait for ever, the group starts again.
"$P" sft "${options[@]}" --output_dir "$R/stuck" --collective_timeout_s 2 >"$R/stuck.log" 2>&1 & run=$!
for _ in $(seq 6000); do [ -s "$R/stuck/metrics.jsonl" ] && break; sleep 0.02; done
kill -STOP "$(a_rank)"
wait $run || { cat "$R/stuck.log"; fail "the run did not survive a stopped rank"; }
grep -q 'starting it again' "$R/stuck.log" || { cat "$R/stuck.log"; fail "the stopped rank was not noticed"; }
cmp "$R/whole/adapter_model.safetensors" "$R/stuck/adapter_model.safetensors" || fail "other weights after the stop"

# Everything stands still, mpirun too: the supervisor sees no sign of life.
"$P" sft "${options[@]}" --output_dir "$R/still" --learner_timeout_s 4 >"$R/still.log" 2>&1 & run=$!
for _ in $(seq 6000); do [ -s "$R/still/metrics.jsonl" ] && break; sleep 0.02; done
kill -STOP $(descendants $run)
wait $run || { cat "$R/still.log"; fail "the run did not survive that all ranks were stopped"; }
grep -q 'is stuck: no sign of life' "$R/still.log" || { cat "$R/still.log"; fail "nobody noticed that all ranks were stopped"; }
cmp "$R/whole/adapter_model.safetensors" "$R/still/adapter_model.safetensors" || fail "other weights after the stop of all"

# What it refuses, by name.
refuse() { local pattern=$1; shift; expect_code 2 "$pattern" "$P" sft "${options[@]}" --output_dir "$R/whole" "$@"; }
refuse 'seed = 42, this one has 43' --seed 43
refuse 'stage 1 \(prosody\): adam_beta2' --adam_beta2 0.95
refuse 'per_device_train_batch_size' --gradient_accumulation_steps 2
sed 's/:0.7/:0.6/' "$R/stages.ini" >"$R/other.ini"
other=("${options[@]}"); other[3]=$R/other.ini
expect_code 2 'stage 2 \(coldstart\): dataset' "$P" sft "${other[@]}" --output_dir "$R/whole"
printf '[a]\ndataset = x.jsonl\nlearnin_rate = 1\n' >"$R/typo.ini"; other[3]=$R/typo.ini
expect_code 2 "typo.ini:3: .*did you mean 'learning_rate'" "$P" sft "${other[@]}" --output_dir "$R/x"
printf 'seed = 3\n' >"$R/typo.ini"
expect_code 2 'typo.ini:1: .*before the first \[section\]' "$P" sft "${other[@]}" --output_dir "$R/x"
plain=(--model "$W/init" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/x" --max_steps 1)
expect_code 2 'eval_dataset says nothing while --eval_strategy is no' "$P" sft "${plain[@]}" --eval_dataset "$W/data/dev.sft.jsonl"
expect_code 2 'load_best_model_at_end needs evaluations' "$P" sft "${plain[@]}" --load_best_model_at_end
expect_code 3 'eval.jsonl:1: the last message is not from the assistant' "$P" sft "${plain[@]}" --eval_dataset "$W/data/eval.jsonl" --eval_strategy epoch
echo "the same bits whole, killed, and stopped"
