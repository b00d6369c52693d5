# Shared by the end-to-end tests: real processes on a tiny corpus and a tiny model. Sourced, not run.
# Needs PROSODIA_BINARY and PROSODIA_E2E_DIR (a folder in the build tree; the setup test fills it).
set -euo pipefail
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none
P=$PROSODIA_BINARY
W=$PROSODIA_E2E_DIR

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
# expect_code CODE PATTERN command…: the command must exit with CODE (or one of 3|5) and say PATTERN (extended regex) on stdout or stderr.
expect_code() {
  local want=$1 pattern=$2 output code=0
  shift 2
  output=$("$@" 2>&1) || code=$?
  [[ "$code" =~ ^($want)$ ]] || fail "exit code $code instead of $want: $*"$'\n'"$output"
  grep -qE -- "$pattern" <<<"$output" || fail "no '$pattern' in the output of: $*"$'\n'"$output"
}
# The run digest that a finished run printed into its log.
digest_of() { grep -oE 'run digest [0-9a-f]{64}' "$1" | tail -n 1 | cut -d' ' -f3; }
require_digest() { local d; d=$(digest_of "$1"); [ -n "$d" ] || { cat "$1" >&2; fail "no run digest in $1"; }; echo "$d"; }
# Options of the small run that most tests share; everything that decides the result. (In fewer than 64 tokens the tiny model finishes no
# answer: all rewards would be equal and no weight would ever change.) own_save_options: the test gives --save_steps.
own_save_options=(--model "$W/sft" --dataset "$W/data/rl.jsonl" --prompts_per_step 4 --num_generations 4 --max_completion_length 64
  --learning_rate 1e-3 --seed 7 --heartbeat_ms 200 --gate_start_step 3)
train_options=("${own_save_options[@]}" --save_steps 4)
# The processes under $1, by id: of this run and no others.
descendants() { local child; for child in $(pgrep -P "$1"); do echo "$child"; descendants "$child"; done; }
skip() { printf 'SKIPPED: %s\n' "$*"; exit 77; }
