#!/usr/bin/env bash
# Makes what the other end-to-end tests use: corpus, sets, a fresh model, a short cold start.
. "$(dirname "$0")/lib.sh"
command -v espeak-ng >/dev/null || fail "espeak-ng is missing; run scripts/bootstrap"
rm -rf "$W" && mkdir -p "$W"
"$P" data synth --out "$W/corpus.h5" --utterances 72 --test_utterances 18 --seed 3
"$P" data inspect --corpus "$W/corpus.h5" | tee "$W/inspect.txt"
grep -qi leak "$W/inspect.txt" || fail "inspect says nothing about leakage"
"$P" data build --corpus "$W/corpus.h5" --output_dir "$W/data" --prosody_rows 100 --coldstart_rows 100
"$P" init --model "$W/init" --dataset "$W/data/prosody.sft.jsonl,$W/data/coldstart.sft.jsonl" --vocab_size 400 \
  --audio_d_model 32 --audio_layers 1 --audio_heads 2 --hidden_size 32 --num_hidden_layers 2 --num_attention_heads 2 \
  --num_key_value_heads 1 --intermediate_size 64
"$P" sft --model "$W/init" --dataset "$W/data/coldstart.sft.jsonl:0.8" --dataset "$W/data/prosody.sft.jsonl:0.2" --output_dir "$W/sft" --max_steps 60 \
  --per_device_train_batch_size 8 --learning_rate 5e-3 --nproc_per_node 2
[ -s "$W/sft/model.safetensors" ] || fail "sft wrote no model"
