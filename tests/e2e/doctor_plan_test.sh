#!/usr/bin/env bash
# The memory plan against measured processes: a model of some 60 M parameters, a real sft step and a real infer. The peak that each
# process reports (VmHWM) agrees with the plan within 15 %.
. "$(dirname "$0")/lib.sh"
R=$W/plan && rm -rf "$R" && mkdir "$R"
"$P" init --model "$R/model" --dataset "$W/data/coldstart.sft.jsonl" --vocab_size 400 --audio_d_model 128 --audio_layers 1 --audio_heads 2 \
  --hidden_size 768 --num_hidden_layers 8 --num_attention_heads 12 --num_key_value_heads 4 --intermediate_size 2304 >/dev/null
# What the plan is told about the data: tokens of a prompt and of an answer, seconds of a clip.
shape=(--prompt_tokens 130 --audio_seconds 2.2 --max_completion_length 40 --token_budget 1024 --max_rows 16 --num_generations 1 --layout learner=1,rollout=1)
"$P" doctor --plan --model "$R/model" "${shape[@]}" >"$R/plan.txt"
peak_of() { awk -v head="$1" '$0 ~ "^" head {on = 1} on && /^  needed/ {print $(NF - 1); exit}' "$R/plan.txt"; }
compare() {  # what, predicted GB, measured GB
  awk -v what="$1" -v p="$2" -v m="$3" 'BEGIN {
    printf "%s: planned %.3f GB, measured %.3f GB, ratio %.3f\n", what, p, m, p / m
    exit !(p > 0 && m > 0 && p / m > 0.85 && p / m < 1.15)
  }' || { cat "$R/plan.txt"; fail "$1: the plan is off by more than 15 %"; }
}
measured() { grep -oE 'peak memory [0-9.]+' "$1" | cut -d' ' -f3; }

"$P" sft --model "$R/model" --dataset "$W/data/coldstart.sft.jsonl" --output_dir "$R/sft" --max_steps 1 --per_device_train_batch_size 8 \
  --token_budget 1024 >"$R/sft.log" 2>&1 || { cat "$R/sft.log"; fail sft; }
compare sft "$(peak_of 'sft rank')" "$(measured "$R/sft.log")"

head -n 16 "$W/data/eval.jsonl" >"$W/data/plan16.jsonl"
"$P" infer --model "$R/model" --input "$W/data/plan16.jsonl" --output "$R/out.jsonl" --max_completion_length 40 --max_rows 16 >"$R/infer.log" 2>&1 ||
  { cat "$R/infer.log"; fail infer; }
compare infer "$(peak_of 'infer')" "$(measured "$R/infer.log")"

# From config.json alone, for models nobody could hold here.
mkdir "$R/7b" && cp "$(dirname "$0")/configs/qwen2.5-omni-7b.json" "$R/7b/config.json"
expect_code 0 '8\.[0-9]+ B parameters' "$P" doctor --plan --model "$R/7b" --dtype bfloat16 --layout learner=8,rollout=8 --devices 8 --device_memory_gb 80
expect_code 0 'does NOT fit|fits' "$P" doctor --plan --model "$R/7b" --dtype bfloat16 --layout learner=8,rollout=8 --devices 8 --device_memory_gb 80
expect_code 0 'encoded and log-mel clips kept' "$P" doctor --plan --model "$R/7b" --reward_model "$R/7b" --dtype bfloat16 --layout learner=8,rollout=8,reward=1 --devices 16 --device_memory_gb 80
expect_code 2 'none, optimizer, full' "$P" doctor --plan --model "$R/7b" --sharding half
expect_code 3 'config.json' "$P" doctor --plan --model "$R/nowhere"
