#!/usr/bin/env bash
# doctor: of the machine; of a sound run; of runs with each kind of damage, which it names, changes nothing and exits with 3 or 5.
. "$(dirname "$0")/lib.sh"
R=$W/doctor && rm -rf "$R" && mkdir "$R"
expect_code 0 'this machine: usable' "$P" doctor
expect_code 0 'two ranks start' "$P" doctor
expect_code 3 'no folder' "$P" doctor "$R/nothing"
expect_code 3 'holds no run' "$P" doctor "$W/data"

"$P" train "${own_save_options[@]}" --output_dir "$R/run" --max_steps 4 --save_steps 2 --archive_steps 2 --layout learner=1,rollout=1,reward=1 \
  >"$R/run.log" 2>&1 || { cat "$R/run.log"; fail train; }
digest=$(require_digest "$R/run.log")
fingerprint() { (cd "$1" && find . -type f -exec cksum {} + | sort -k3); }
before=$(fingerprint "$R/run")
expect_code 0 "run digest $digest" "$P" doctor "$R/run"
expect_code 0 'run: usable$' "$P" doctor --run "$R/run"
[ "$(fingerprint "$R/run")" = "$before" ] || fail "doctor changed the run folder"

damage() {  # name command… : a copy of the run with one thing broken, in $D
  D=$R/$1 && rm -rf "$D" && cp -r "$R/run" "$D"
}
flip() { printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
damage journal && flip "$(ls "$D"/journal/journal-*.log | head -n 1)" 3000
expect_code 5 'BAD +journal' "$P" doctor "$D"
damage checkpoint && flip "$D/checkpoints/step-000004/model.safetensors" 2000
expect_code 5 'checkpoints/step-000004 +.*model.safetensors.*checksum' "$P" doctor "$D"
damage manifest && rm "$D/checkpoints/step-000002/MANIFEST.json"
expect_code 5 'MANIFEST.json: is missing' "$P" doctor "$D"
damage segment && truncate -s -3000 "$D/rollouts/step-000002-000003.h5"
expect_code '3|5' 'rollouts/step-000002-000003.h5' "$P" doctor "$D"
damage gap && rm "$D/rollouts/step-000000-000001.h5"
expect_code 0 'step 0 is in no segment' "$P" doctor "$D"
damage config && sed -i 's/^seed = .*/seed = 8/' "$D/config.ini"
expect_code 3 'config.ini +.*it was edited' "$P" doctor "$D"
damage metrics && sed -i '2d' "$D/metrics.jsonl"
expect_code 5 'metrics.jsonl +step 3 follows step 1' "$P" doctor "$D"
damage loss && sed -i '2s/"loss":[-0-9.e]*/"loss":0.125/' "$D/metrics.jsonl"
expect_code 5 'the loss of step 2 is not' "$P" doctor "$D"
damage events && flip "$(ls "$D"/events.out.tfevents.* | head -n 1)" 200
expect_code 5 'events.out.tfevents +.*damaged at byte' "$P" doctor "$D"
damage leftovers && mkdir "$D/checkpoints/step-000009.tmp"
expect_code 0 'leftovers +.*step-000009.tmp' "$P" doctor "$D"

# A running run: who holds it, and nothing of it is called damage.
"$P" train "${train_options[@]}" --output_dir "$R/live" --max_steps 400 --layout learner=1,rollout=1,reward=1 >"$R/live.log" 2>&1 &
run=$!
for _ in $(seq 600); do [ "$(wc -l 2>/dev/null <"$R/live/metrics.jsonl" || echo 0)" -ge 3 ] && break; sleep 0.1; done
expect_code 0 'at work here: process [0-9]+' "$P" doctor "$R/live"
kill -TERM $run; wait $run || true
expect_code 0 'stopped after [0-9]+ steps, not complete' "$P" doctor "$R/live"

# A model that changed under a run is refused on resume, by name.
cp -r "$W/sft" "$R/model"
moved=("${train_options[@]/$W\/sft/$R/model}")
"$P" train "${moved[@]}" --output_dir "$R/moved" --max_steps 2 --layout learner=1,rollout=1,reward=1 >"$R/moved.log" 2>&1 || { cat "$R/moved.log"; fail train; }
cp "$W/init/model.safetensors" "$R/model/model.safetensors"
expect_code 2 'the model .*/model holds other data than when the run began' "$P" train "${moved[@]}" --output_dir "$R/moved" --max_steps 2
expect_code 0 'model +.*has changed since the run began' "$P" doctor "$R/moved"
