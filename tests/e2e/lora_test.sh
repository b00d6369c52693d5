#!/usr/bin/env bash
# An adapter from end to end: sft, train on it (kill and go on), what each command makes of the folder, export.
. "$(dirname "$0")/lib.sh"
R=$W/lora && rm -rf "$R" && mkdir "$R"
lora=(--use_peft --lora_r 4 --lora_alpha 8)

"$P" sft --model "$W/sft" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/sft" --max_steps 8 "${lora[@]}" \
  --per_device_train_batch_size 8 --learning_rate 5e-3 >"$R/sft.log" 2>&1 || { cat "$R/sft.log"; fail sft; }
[ -s "$R/sft/adapter_model.safetensors" ] && [ ! -e "$R/sft/model.safetensors" ] || fail "sft left no adapter folder"

# The learner trains from the adapter of sft; its own values are adopted.
options=("${train_options[@]}" --max_steps 16 --use_peft)
options[1]=$R/sft  # --model
"$P" train "${options[@]}" --output_dir "$R/whole" >"$R/whole.log" 2>&1 || { cat "$R/whole.log"; fail train; }
digest=$(require_digest "$R/whole.log")
differences=$(grep -oE '"sampling/sampling_logp_difference/max": ?[0-9.e+-]+' "$R/whole/metrics.jsonl" | sed 's/.*: *//' | sort -u)
[ "$differences" = 0.0 ] || [ "$differences" = 0 ] || fail "sampling and learning differ: $differences"

"$P" train "${options[@]}" --output_dir "$R/cut" >"$R/cut.log" 2>&1 & run=$!
for _ in $(seq 600); do [ "$(wc -l 2>/dev/null <"$R/cut/metrics.jsonl" || echo 0)" -ge 5 ] && break; sleep 0.05; done
[ "$(wc -l <"$R/cut/metrics.jsonl")" -lt 16 ] || fail "the run was over before it could be cut"
tree=$(descendants $run)  # by id: processes of this run and no others
kill -9 $run $tree 2>/dev/null || true; wait $run 2>/dev/null || true
"$P" train "${options[@]}" --output_dir "$R/cut" >>"$R/cut.log" 2>&1 || { cat "$R/cut.log"; fail "the resumed run failed"; }
[ "$(require_digest "$R/cut.log")" = "$digest" ] || { cat "$R/cut.log"; fail "resuming changed the digest"; }

# The checkpoint is an adapter folder; merged it gives the same scores.
step=$R/whole/checkpoints/step-000016
[ -s "$step/adapter_config.json" ] && [ ! -e "$step/model.safetensors" ] || fail "the checkpoint is no adapter folder"
head -n 4 "$W/data/coldstart.sft.jsonl" >"$W/data/lora-few.jsonl"
"$P" export --model "$step" --output_dir "$R/merged"
"$P" export --model "$step" --merge false --output_dir "$R/adapter"
for model in "$step" "$R/merged" "$R/adapter"; do
  "$P" score --model "$model" --input "$W/data/lora-few.jsonl" --output "$W/data/lora-$(basename "$model").jsonl"
done
cmp "$W/data/lora-step-000016.jsonl" "$W/data/lora-adapter.jsonl" || fail "the exported adapter scores differently"
numbers() { grep -oE '"logprobs":\[[^]]*' "$1" | grep -oE -- '-?[0-9.]+(e-?[0-9]+)?'; }
paste <(numbers "$W/data/lora-step-000016.jsonl") <(numbers "$W/data/lora-merged.jsonl") |
  awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d } END { print NR " log-probs, worst difference " worst; exit !(NR > 20 && worst < 1e-4) }' ||
  fail "the merged export scores differently"

expect_code 2 'lora_dropout' "$P" sft --model "$W/sft" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/x" --use_peft --lora_dropout 0.05
expect_code 2 'without --use_peft' "$P" sft --model "$W/sft" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/x" --lora_r 8
expect_code 2 'prosodia export' "$P" sft --model "$R/sft" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/x"
echo "digest $digest whole, and cut"
