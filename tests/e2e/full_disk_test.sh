#!/usr/bin/env bash
# A full disk: exit code 5, the file named, nothing acknowledged lost; the same command goes on when there is space.
. "$(dirname "$0")/lib.sh"
R=$W/full && mkdir -p "$R/disk"
mount -t tmpfs -o size=600k none "$R/disk" 2>/dev/null || skip "needs the right to mount a tmpfs"
trap 'umount -l "$R/disk"' EXIT
options=("${train_options[@]}" --max_steps 6 --layout learner=1,rollout=1,reward=1)
expect_code 5 '(No space|space left|disk)' "$P" train "${options[@]}" --output_dir "$R/disk/run"
mount -o remount,size=200m "$R/disk"
"$P" train "${options[@]}" --output_dir "$R/disk/run" >"$R/after.log" 2>&1 || { cat "$R/after.log"; fail "did not go on after space was made"; }
rm -rf "$R/reference"
"$P" train "${options[@]}" --output_dir "$R/reference" >"$R/reference.log" 2>&1 || { cat "$R/reference.log"; fail reference; }
[ "$(require_digest "$R/after.log")" = "$(require_digest "$R/reference.log")" ] || fail "a full disk changed the result"
