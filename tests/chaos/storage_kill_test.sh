#!/usr/bin/env bash
# kill -9 of a storing process at each of its fsyncs, renames and unlinks (journal, checkpoints, rollout archive), one after
# another on the same folder: each life finds everything that the earlier ones acknowledged. Then an error (EIO, ENOSPC) in
# place of the kill: exit code 5, and again nothing is lost.
set -euo pipefail
program=$1 work=$2
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
skip() { printf 'SKIPPED: %s\n' "$*"; exit 77; }
command -v strace >/dev/null || skip "strace is not installed (scripts/bootstrap does)"
strace -qq -o /dev/null true 2>/dev/null || skip "ptrace is not permitted here"
rm -rf "$work" && mkdir -p "$work"

acked=0
# One life of MODE with INJECT; its exit code comes back in $code. What it found must hold what was acknowledged before.
live() {
  local mode=$1 inject=$2 found last
  code=0
  {  # the shell's own word about the kill goes nowhere
    strace -f -qq -o /dev/null -e trace="${inject%%:*}" -e inject="$inject" "$program" "$mode" "$work/$mode" \
      >"$work/out" 2>"$work/err" || code=$?
  } 2>/dev/null
  found=$(sed -n 's/^found \([0-9]*\).*/\1/p' "$work/out" | head -n 1)
  [ -z "$found" ] || [ "$found" -ge "$acked" ] || fail "$mode, $inject: found $found of $acked acknowledged"
  last=$(sed -n 's/^ack //p' "$work/out" | tail -n 1)
  [ -z "$last" ] || [ "$last" -le "$acked" ] || acked=$last
}
kills=0 errors=0 torn=0
for mode in journal checkpoint archive; do
  acked=0
  for call in fdatasync fsync rename unlink,unlinkat; do
    for ((n = 1; n <= 60; ++n)); do
      live $mode "$call:signal=KILL:when=$n"
      [ $code = 0 ] && break
      [ $code = 137 ] || { cat "$work/err" >&2; fail "$mode killed at $call $n: exit code $code"; }
      kills=$((kills + 1))
      grep -q torn "$work/out" && torn=$((torn + 1)) || true
    done
    [ $n -le 60 ] || fail "$mode: more than 60 calls of $call"
  done
  for error in EIO ENOSPC; do
    for call in fdatasync fsync rename; do
      live $mode "$call:error=$error:when=2"
      [ $code = 0 ] && continue  # no second call of this kind
      [ $code = 5 ] || { cat "$work/err" >&2; fail "$mode, $error at $call: exit code $code instead of 5"; }
      errors=$((errors + 1))
    done
  done
  "$program" "$mode" "$work/$mode" >"$work/out" || fail "$mode does not recover"
  found=$(sed -n 's/^found \([0-9]*\).*/\1/p' "$work/out")
  [ "$found" -ge "$acked" ] || fail "$mode: found $found of $acked acknowledged at the end"
done
[ $kills -ge 30 ] || fail "only $kills kills: does the injection work?"
echo "$kills kills and $errors errors at fsync, rename and unlink: nothing acknowledged was lost, every file read back"
