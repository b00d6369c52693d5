#!/usr/bin/env bash
# SIGINT, SIGTERM and SIGUSR1 save and exit with 6; a second signal ends at once; nothing is left running or lying about.
. "$(dirname "$0")/lib.sh"
use_folder graceful
export TMPDIR=$R/tmp && mkdir "$TMPDIR"
no_files() {  # what
  local left
  left=$(ls "$TMPDIR"; [ -z "$scratch" ] || ls -d "$scratch" 2>/dev/null || true)
  [ -z "$left" ] || fail "$1: files are left: $left"
}
# Where mpirun keeps its sockets and shared memory, from the environment of a rank.
find_scratch() { scratch=$(tr '\0' '\n' <"/proc/$(pid_of mpirun)/environ" | grep '^OMPI_MCA_orte_tmpdir_base=' | cut -d= -f2); [ -d "$scratch" ] || fail "no folder $scratch"; }
scratch=
for signal in INT TERM USR1; do
  start_run; wait_for_steps_more 2; find_scratch
  everyone=$(descendants "$run" | xargs)
  kill -$signal "$run"; code=0; wait "$run" || code=$?
  [ $code = 6 ] || give_up "SIG$signal gave exit code $code instead of 6"
  for pid in $everyone; do [ ! -e "/proc/$pid" ] || fail "SIG$signal: process $pid is left"; done
  nothing_left
  no_files "SIG$signal"
  grep -q 'Rerun the same command\|the same command goes on' "$R/run.log" || fail "SIG$signal: no word on how to go on"
done
# A coordinator that cannot react, and two signals.
start_run; wait_for_steps_more 2; find_scratch
everyone=$(descendants "$run" | xargs)
kill -STOP "$(pid_of coordinator)"
kill -INT "$run"; sleep 0.3; kill -INT "$run"; code=0; wait "$run" || code=$?
[ $code = 130 ] || give_up "a second SIGINT gave exit code $code instead of 130"
for pid in $everyone; do [ ! -e "/proc/$pid" ] || fail "a second signal: process $pid is left"; done
nothing_left
no_files "a second signal"

# `data synth`: killed or interrupted in mid-work it leaves no synthesiser, no voices, no file.
"$P" data synth --out "$R/cut.h5" --utterances 20000 --seed 1 >"$R/synth.log" 2>&1 & synth=$!
for _ in $(seq 600); do pgrep -P $synth >/dev/null && break; sleep 0.02; done
kill -INT $synth; code=0; wait $synth || code=$?
[ $code = 6 ] || fail "an interrupted data synth gave exit code $code instead of 6: $(cat "$R/synth.log")"
[ -z "$(ls "$R"/cut.h5* 2>/dev/null)" ] || fail "an interrupted data synth left $(ls "$R"/cut.h5*)"
no_files "data synth"

start_run; finish_run
check_run
echo "3 kinds of signal, a second signal, an interrupted data synth: nothing left"
