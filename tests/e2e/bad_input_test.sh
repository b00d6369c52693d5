#!/usr/bin/env bash
# What users get wrong: each has its exit code and a message that names the thing and the way out.
. "$(dirname "$0")/lib.sh"
R=$W/bad && rm -rf "$R" && mkdir "$R"
train=("$P" train "${train_options[@]}" --max_steps 2 --layout learner=1,rollout=1,reward=1)

expect_code 2 "did you mean 'train'" "$P" trian
expect_code 2 "did you mean '--num_generations'" "${train[@]}" --output_dir "$R/x" --num_generation 4
expect_code 2 '--model is required' "$P" train --dataset "$W/data/rl.jsonl" --output_dir "$R/x"
expect_code 2 'learner, rollout or reward' "${train[@]/learner=1*/actor=3}" --output_dir "$R/x"

# Data: malformed JSON, missing audio, corrupt audio, a corpus that is none.
sed '3s/.*/{"messages": [/' "$W/data/rl.jsonl" >"$W/data/broken.jsonl"
expect_code 3 'broken.jsonl:3' "$P" train --model "$W/sft" --dataset "$W/data/broken.jsonl" --output_dir "$R/x" --max_steps 1
echo '{"messages":[{"role":"user","content":"<audio>What?"}],"audios":["nowhere.wav"],"solution":"sad"}' >"$R/missing.jsonl"
expect_code 3 'nowhere.wav' "$P" infer --model "$W/sft" --input "$R/missing.jsonl" --output "$R/o.jsonl"
head -c 3000 /dev/urandom >"$R/noise.wav"
echo '{"messages":[{"role":"user","content":"<audio>What?"}],"audios":["noise.wav"],"solution":"sad"}' >"$R/corrupt.jsonl"
expect_code 3 'noise.wav' "$P" infer --model "$W/sft" --input "$R/corrupt.jsonl" --output "$R/o.jsonl"
expect_code 3 'noise.wav' "$P" data inspect --corpus "$R/noise.wav"
expect_code 3 'messages|audio' "$P" infer --model "$W/sft" --input <(echo '{"messages":[{"role":"user","content":"<audio><audio>"}],"audios":["a.wav"]}') --output "$R/o.jsonl"

# Models: no folder, a truncated file, missing and misshaped tensors.
expect_code 3 'no-such-model' "$P" eval --model "$R/no-such-model" --dataset "$W/data/eval.jsonl" --output_dir "$R/e"
cp -r "$W/sft" "$R/cut" && truncate -s -100 "$R/cut/model.safetensors"
expect_code 3 'model.safetensors' "$P" eval --model "$R/cut" --dataset "$W/data/eval.jsonl" --output_dir "$R/e"
cp -r "$W/sft" "$R/misshaped" && sed -i 's/"intermediate_size": *64/"intermediate_size": 65/' "$R/misshaped/config.json"
expect_code 3 'mlp\.(gate|up|down)_proj' "$P" eval --model "$R/misshaped" --dataset "$W/data/eval.jsonl" --output_dir "$R/e"
cp -r "$W/sft" "$R/deeper" && sed -i 's/"num_hidden_layers": *2/"num_hidden_layers": 3/' "$R/deeper/config.json"
expect_code 3 'layers\.2' "$P" eval --model "$R/deeper" --dataset "$W/data/eval.jsonl" --output_dir "$R/e"

# A run whose audio disappears: refused before anything is sampled, or ended with the file's name.
sed 's|corpus\.h5#|gone.h5#|' "$W/data/rl.jsonl" >"$W/data/gone.jsonl"
expect_code 3 'gone.h5' "$P" train --model "$W/sft" --dataset "$W/data/gone.jsonl" --output_dir "$R/gone" --max_steps 1 --max_attempts 2 --layout learner=1,rollout=1,reward=1
