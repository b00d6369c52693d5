#!/usr/bin/env bash
# Random kills for a while: PROSODIA_SOAK_SECONDS (120; for the real thing 1800). Workers die every other second, now and then a
# learner rank or the coordinator. Memory and descriptors of every process that lives long enough must stay flat: the line
# fitted through its samples, after a first part as warm-up, must not rise. At the end the run is stopped in order and audited.
. "$(dirname "$0")/lib.sh"
seconds=${PROSODIA_SOAK_SECONDS:-120}
use_folder soak
RANDOM=${PROSODIA_CHAOS_SEED:-5}
steps=1000000
start_run
wait_for_step 3
declare -A killed=()
sample() {  # time pid name rss_KiB descriptors
  local pid rss
  for pid in $run $(descendants "$run"); do
    rss=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status" 2>/dev/null) || continue
    [ -n "$rss" ] && echo "$SECONDS $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -oE 'prosodia (train|[a-z]+ --config)|^mpirun' | head -n 1 | cut -d' ' -f1-2 | tr ' ' '-') $rss $(ls "/proc/$pid/fd" 2>/dev/null | wc -l)"
  done
}
kill_some() {
  local pid name=$1
  if [ "$name" = learner ]; then pid=$(ranks | sed -n "$((RANDOM % 2 + 1))p"); else pid=$(pid_of "$name"); fi
  [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && faults=$((faults + 1)) && killed[$name]=$((${killed[$name]:-0} + 1))
  return 0
}
SECONDS=0
# Heavier kills become rarer in a long soak, so that there are long-lived processes to judge; a short one has them first.
learner_every=$((seconds / 12 > 45 ? 45 : seconds / 12)) coordinator_every=$((seconds / 6 > 200 ? 200 : seconds / 6))
next_learner=5 next_coordinator=12
while [ $SECONDS -lt "$seconds" ]; do
  running || give_up "the run ended during the soak"
  sample >>"$R/samples"
  case $((RANDOM % 4)) in 0) kill_some rollout-0 ;; 1) kill_some rollout-1 ;; 2) kill_some reward-0 ;; esac
  if [ "$seconds" -gt 600 ] || [ $SECONDS -lt $((seconds / 3)) ]; then
    if [ $SECONDS -ge $next_learner ]; then kill_some learner; next_learner=$((SECONDS + learner_every)); fi
    if [ $SECONDS -ge $next_coordinator ]; then kill_some coordinator; next_coordinator=$((SECONDS + coordinator_every)); fi
  fi
  sleep 1.5
done
reached=$(lines)
[ "$reached" -gt 10 ] || give_up "only $reached steps in $seconds s"
kill -TERM "$run"; code=0; wait "$run" || code=$?
[ $code = 6 ] || give_up "SIGTERM gave exit code $code instead of 6"
nothing_left
"$AUDIT" --unfinished "$R/run" || fail "the journal or the archive"
for name in "${!killed[@]}"; do echo "killed $name ${killed[$name]} times"; done | sort
grep -oE '"ft/[a-z_]*ratio[a-z_]*":[0-9.]+' "$R/run/metrics.jsonl" | tail -n 1 || true
# Least squares through (time, value) of each process seen for at least a third of the soak, its first half left out.
awk -v least=$((seconds / 3)) '
  { if (!($2 in first)) first[$2] = $1; last[$2] = $1; name[$2] = $3; n[$2]++; t[$2, n[$2]] = $1; rss[$2, n[$2]] = $4; fds[$2, n[$2]] = $5 }
  function rise(value, pid,   i, k, st, sv, stt, stv, start) {
    start = (first[pid] + last[pid]) / 2
    for (i = 1; i <= n[pid]; i++) if (t[pid, i] >= start) { k++; st += t[pid, i]; sv += value[pid, i]; stt += t[pid, i] ^ 2; stv += t[pid, i] * value[pid, i] }
    return (k * stv - st * sv) / (k * stt - st * st) * (last[pid] - start)
  }
  END {
    printf "%-28s %8s %10s %14s %10s\n", "process", "seconds", "RSS MiB", "rise MiB", "rise fds"
    for (pid in first) {
      if (last[pid] - first[pid] < least) continue
      judged++
      m = rise(rss, pid) / 1024; f = rise(fds, pid); size = rss[pid, n[pid]] / 1024
      bad = (m > 4 + 0.05 * size) || (f > 2)
      printf "%-28s %8d %10.1f %14.2f %10.2f %s\n", name[pid] " (" pid ")", last[pid] - first[pid], size, m, f, bad ? "NOT FLAT" : ""
      failed += bad
    }
    if (judged < 2) { print "too few processes lived long enough"; exit 1 }
    exit failed > 0
  }' "$R/samples" || fail "memory or descriptors are not flat"
echo "soak: $seconds s, $reached steps, faults injected: $faults"
