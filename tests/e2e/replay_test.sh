#!/usr/bin/env bash
# replay gives a finished run's losses and weights again, bit for bit, without workers; what differs is found and named.
. "$(dirname "$0")/lib.sh"
R=$W/replay && rm -rf "$R" && mkdir "$R"
"$P" train "${own_save_options[@]}" --output_dir "$R/run" --max_steps 6 --lag 1 --save_steps 2 --save_total_limit 10 --archive_steps 4 \
  --layout learner=1,rollout=1,reward=1 >"$R/run.log" 2>&1 || { cat "$R/run.log"; fail train; }
digest=$(require_digest "$R/run.log")

"$P" replay --model "$W/sft" --rollouts "$R/run" --output_dir "$R/same" >"$R/same.log" 2>&1 || { cat "$R/same.log"; fail replay; }
[ "$(require_digest "$R/same.log")" = "$digest" ] || { cat "$R/same.log"; fail "another run digest"; }
grep -q 'equal: batch, loss bits and weights of all 6 steps; 3 checkpoint' "$R/same.log" || { cat "$R/same.log"; fail "not equal"; }
cmp "$R/same/model.safetensors" "$R/run/checkpoints/step-000006/model.safetensors" || fail "other weights"
grep -q '"equal": true' "$R/same/replay.json" || fail "replay.json"
# The finished replay has its own checkpoints: once more only ends it.
expect_code 0 "run digest $digest" "$P" replay --model "$W/sft" --rollouts "$R/run" --output_dir "$R/same"

# One segment alone, from the checkpoint before it: the archive itself holds what to compare with.
mkdir "$R/alone" && cp "$R"/run/rollouts/step-000004-000005.h5 "$R/alone"
expect_code 0 'equal: batch, loss bits and weights of all 2 steps' "$P" replay --model "$W/sft" --rollouts "$R/run/rollouts/step-000004-000005.h5" \
  --resume_from_checkpoint "$R/run/checkpoints/step-000004" --output_dir "$R/tail"
expect_code 3 'begins at step 4.*resume_from_checkpoint' "$P" replay --model "$W/sft" --rollouts "$R/alone/step-000004-000005.h5" --output_dir "$R/x"

# Another learning rate, said openly: expected to differ, from the first step with a gradient on.
expect_code 0 'differs: first at step [0-9]' "$P" replay --model "$W/sft" --rollouts "$R/run" --output_dir "$R/rate" --learning_rate 2e-3
grep -q 'learning_rate' "$R/rate/replay.json" || fail "the deviation is not recorded"
# The same, slipped into the run's own config: an unexpected difference, with the tensors at the next checkpoint.
cp -r "$R/run" "$R/edited" && sed -i 's/^learning_rate = .*/learning_rate = 2e-3/' "$R/edited/config.ini"
expect_code 3 'differs: [0-9]+ of [0-9]+ tensors at the run.s checkpoint of version [24]; first [a-z_]+\.' "$P" replay --model "$W/sft" --rollouts "$R/edited" --output_dir "$R/edited_out"
grep -q '"first_difference"' "$R/edited_out/replay.json" || fail "the first differing step is not recorded"
# Another model.
expect_code 0 'not what the run began with' "$P" replay --model "$W/init" --rollouts "$R/run" --output_dir "$R/model"

# A flipped byte in the archive is named with file and step: in a response, and in a dataset row.
flip() {  # folder, text whose first byte changes
  cp -r "$R/run" "$1"
  segment=$1/rollouts/step-000000-000003.h5
  offset=$(grep -abo -- "$2" "$segment" | head -n 1 | cut -d: -f1)
  printf '_' | dd of="$segment" bs=1 seek="$offset" conv=notrunc status=none
}
flip "$R/flipped" '</answer>'
expect_code 5 'step-000000-000003.h5: step [0-3] does not hash to its digest' "$P" replay --model "$W/sft" --rollouts "$R/flipped" --output_dir "$R/flipped_out"
expect_code 5 'rollouts/step-000000-000003.h5.*does not hash' "$P" doctor "$R/flipped"
flip "$R/row" '"emotion"'
expect_code 5 'step [0-3]: the row of group [0-9]+ fails its checksum' "$P" replay --model "$W/sft" --rollouts "$R/row" --output_dir "$R/row_out"
expect_code 2 "is a run's folder" "$P" replay --model "$W/sft" --rollouts "$R/run" --output_dir "$R/run"

# Two learner ranks: as many again give the same bits, one is said beforehand to give others.
"$P" train "${own_save_options[@]}" --output_dir "$R/two" --max_steps 4 --save_steps 4 --layout learner=2,rollout=1,reward=1 >"$R/two.log" 2>&1 ||
  { cat "$R/two.log"; fail train; }
expect_code 0 'equal: batch, loss bits and weights of all 4 steps' "$P" replay --model "$W/sft" --rollouts "$R/two" --output_dir "$R/two_same"
expect_code 0 'nproc_per_node 1 \(the run has 2' "$P" replay --model "$W/sft" --rollouts "$R/two" --output_dir "$R/ranks" --nproc_per_node 1
echo "replayed digest $digest"
