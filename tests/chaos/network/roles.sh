# Sourced after tests/e2e/lib.sh: a run whose roles are processes of their own.
# Every role gets the same options, so their configuration digests agree.
pids=()
role() {  # role LOG COMMAND…: starts it in the background
  local log=$1
  shift
  "$@" >"$log" 2>&1 &
  pids+=($!)
}
end_roles() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; pids=(); }
wait_for_file() { for _ in $(seq 600); do [ -s "$1" ] && return; sleep 0.1; done; fail "$1 did not appear"; }
# The coordinator ends when the run is complete; the others follow it.
wait_for_run() {  # PID LOG
  wait "$1" || { tail -n 30 "$2" "$(dirname "$2")"/*.log; fail "the coordinator failed"; }
}
