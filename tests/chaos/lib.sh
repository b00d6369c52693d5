# Shared by the chaos tests: a run under the supervisor, its processes by name, kills, and what must hold afterwards. Sourced.
# Processes are found as descendants of the run's own supervisor, never by a pattern over the whole machine.
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
AUDIT=$PROSODIA_CHAOS_AUDIT
C=$W/chaos
# One configuration for all: the undisturbed run of setup.sh gives the digest that every disturbed run must have.
steps=160
chaos_options=("${train_options[@]}" --max_restarts 100000 --restart_delay_max_s 0.05 --archive_steps 7
  --max_attempts 1000 --layout learner=2,rollout=2,reward=1)

R= run= faults=0
use_folder() { R=$C/$1; rm -rf "$R"; mkdir -p "$R"; }
start_run() { "$P" train "${chaos_options[@]}" --max_steps "$steps" --output_dir "$R/run" "$@" >>"$R/run.log" 2>&1 & run=$!; }
lines() { wc -l 2>/dev/null <"$R/run/metrics.jsonl" || echo 0; }
running() { kill -0 "$run" 2>/dev/null; }
give_up() { cat "$R/run.log" >&2; fail "$@"; }
# Waits for a command to be true. Minutes, so that a loaded machine is not a failure; a test that hangs ends by ctest's limit.
await() {
  local what=$1; shift
  for _ in $(seq 7500); do "$@" && return; running || give_up "the run ended before: $what"; sleep 0.02; done
  give_up "150 s passed before: $what"
}
at_step() { [ "$(lines)" -ge "$1" ]; }
wait_for_step() { await "step $1" at_step "$1"; }
wait_for_steps_more() { wait_for_step $(($(lines) + $1)); }

# pid_of coordinator | rollout-1 | reward-0 | mpirun; ranks: the learner ranks' pids, rank 0 first. Empty while it is not there.
pid_of() {
  case $1 in
    mpirun) pgrep -P "$run" -x mpirun || true ;;
    *) pgrep -P "$run" -f -- "--name $1\$" | head -n 1 || true ;;
  esac
}
ranks() { local m; m=$(pid_of mpirun); [ -z "$m" ] || pgrep -P "$m" -x prosodia || true; }
is_there() { [ -n "$(pid_of "$1")" ]; }
two_ranks() { [ "$(ranks | wc -l)" = 2 ]; }
kill_process() {  # name: kill -9, once it is there
  local pid
  await "a process $1" is_there "$1"
  pid=$(pid_of "$1")
  [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null && faults=$((faults + 1))
}

# Whether processes (pids) have ended, collected by their parent or not.
gone() { local p; for p in $1; do [ ! -e "/proc/$p" ] || grep -qs '^State:.Z' "/proc/$p/status" || return 1; done; }
# A counter of the newest step's metrics, "workers_lost" for ft/workers_lost; 0 before it first appears.
counted() { tail -n 1 "$R/run/metrics.jsonl" | grep -oE "\"ft/$1\":[0-9]+" | grep -oE '[0-9]+$' || echo 0; }

finish_run() { wait "$run" || give_up "the run did not survive (exit code $?)"; }
# The digest of the undisturbed run; every step once in the metrics; every group once in journal and archive; nothing left.
check_run() {
  [ "$(require_digest "$R/run.log")" = "$(cat "$C/digest")" ] || give_up "faults changed the digest"
  [ "$(lines)" = $steps ] || fail "metrics.jsonl has $(lines) lines, not one for each of $steps steps"
  "$AUDIT" "$R/run" "$@" | tee "$R/audit.txt" || fail "the journal or the archive"
  nothing_left
}
nothing_left() {
  local left
  left=$(pgrep -f -- "--config $R/run/config.ini" | while read -r p; do grep -qs "$C" "/proc/$p/environ" && echo "$p"; done || true)
  [ -z "$left" ] || fail "processes are left: $left"
  left=$(find "$R/run" -name '*.tmp*' -o -name '*.new' -o -name '*.part')
  [ -z "$left" ] || fail "temporary files are left: $left"
}
export PROSODIA_CHAOS=$C  # marks our processes in /proc/PID/environ
