#!/usr/bin/env bash
# `watch` on a live run and on a finished one: lines, the metrics port (checked by promtool), and the screen in tmux.
. "$(dirname "$0")/lib.sh"
monitoring=$(cd "$(dirname "$0")/../../scripts/monitoring" && pwd)
run=$W/watch/run
steps=400  # the run must still go on while it is looked at, also what is left of it after the stop
rm -rf "$W/watch" && mkdir -p "$W/watch"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
scrape() {  # PATH
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' "$1" >&3
  sed '1,/^\r$/d' <&3
  exec 3>&-
}
# until SECONDS COMMAND…: repeats the command until it succeeds.
until_ok() { local end=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }

start_training() {
  "$P" train "${train_options[@]}" --output_dir "$run" --max_steps $steps --layout learner=1,rollout=1,reward=1 --metrics_port "$port" \
    --log_audio_steps 3 >>"$W/watch/train.log" 2>&1 &
  train=$!
}
trap 'kill $train 2>/dev/null || true; tmux -L "prosodia-$$" kill-server 2>/dev/null || true' EXIT

expect_code 2 'one of them' "$P" watch "$run" --address "127.0.0.1:$port"
expect_code 2 'HOST:PORT' "$P" watch --address nonsense
expect_code 3 'no such folder' "$P" watch "$W/watch/none"

# --- live: lines from the folder and from the port while the run goes on; a scrape in the middle; a stop ends them
start_training
until_ok 60 test -e "$run/metrics.jsonl" || { cat "$W/watch/train.log"; fail "the run did not begin"; }
"$P" watch "$run" >"$W/watch/lines.txt" 2>"$W/watch/notes.txt" &
watching=$!
until_ok 60 grep -q reward "$W/watch/lines.txt" || fail "watch printed no step of a live run"
# The port shows the state of a moment ago.
live_in_scrape() { scrape /metrics >"$W/watch/live.prom" && grep -qE '^prosodia_workers\{role="rollout",state="live"\} 1$' "$W/watch/live.prom"; }
until_ok 20 live_in_scrape || { cat "$W/watch/live.prom"; fail "no live rollout worker in the scrape"; }
running_in_status() { grep -q '"phase":"running"' <<<"$(scrape /status.json)"; }
until_ok 20 running_in_status || fail "status.json does not say that the run runs"
"$P" watch --address "127.0.0.1:$port" --once >"$W/watch/once.txt" || fail "watch --address --once failed"
grep -q "/$steps reward" "$W/watch/once.txt" || fail "watch --address --once printed no step"
kill -INT $train
wait $train && fail "the run ended before it was stopped: it is too short for this test"
wait $watching || fail "watch failed when its run was stopped"
grep -q 'the run is stopped' "$W/watch/notes.txt" || { cat "$W/watch/notes.txt"; fail "watch did not say that the run was stopped"; }

# --- the same run to its end
start_training
until_ok 60 grep -q '"phase":"running"' "$run/status.json" || { cat "$W/watch/train.log"; fail "the run did not go on"; }
"$P" watch "$run" >"$W/watch/lines.txt" 2>"$W/watch/notes.txt" || fail "watch failed"
wait $train || { cat "$W/watch/train.log"; fail "train failed"; }
[ "$(wc -l <"$W/watch/lines.txt")" = $steps ] || { cat "$W/watch/lines.txt"; fail "expected a line for each of $steps steps"; }
grep -q "the run is complete, $steps of $steps" "$W/watch/notes.txt" || { cat "$W/watch/notes.txt"; fail "watch did not say how the run ended"; }
[ "$("$P" watch "$run" 2>/dev/null | wc -l)" = $steps ] || fail "a finished run is not $steps lines"
grep -q '"phase":"complete"' "$run/status.json" || fail "status.json does not say that the run is complete"

# --- every metric of this run is in the table, and what the table promises is in the run
"$PROSODIA_METRIC_AUDIT" "$run/metrics.jsonl" || fail "metrics and their table differ"
"$P" report "$run" --csv "$W/watch/metrics.csv" --metric_names verl
[ "$(wc -l <"$W/watch/metrics.csv")" = $((steps + 1)) ] || fail "the CSV has not a header and $steps rows"
grep -q 'critic/rewards/mean' <<<"$(head -n 1 "$W/watch/metrics.csv")" || fail "the CSV has no verl names"

# --- TensorBoard's own reader, when there is one: each point once over both processes, text, histograms, clips
oracle=${PROSODIA_ORACLE_PYTHON:-$monitoring/../../.venv-oracle/bin/python}
if "$oracle" -c 'import tensorboard' 2>/dev/null; then
  "$oracle" "$monitoring/../../tests/golden/monitor/tensorboard_events.py" read "$run" --audio || fail "TensorBoard reads something else"
else
  echo "$oracle has no tensorboard (scripts/oracle makes it): the event files were not read by TensorBoard"
fi

# --- promtool
promtool=$(command -v promtool || echo "$monitoring/../../.deps/bin/promtool")
if [ -x "$promtool" ]; then
  "$promtool" check metrics <"$W/watch/live.prom" || fail "promtool does not like the scrape"
  "$promtool" check rules "$monitoring/prosodia.rules.yml" >/dev/null || fail "promtool does not like the rules"
  "$promtool" check config "$monitoring/prometheus.yml" >/dev/null || fail "promtool does not like prometheus.yml"
  "$promtool" test rules "$monitoring/prosodia.rules.test.yml" >/dev/null || fail "an alert does not fire, or fires on a healthy run"
else
  echo "promtool is missing (scripts/bootstrap): scrape and rules were not linted"
fi

# --- the screen
command -v tmux >/dev/null || skip "tmux is missing (scripts/bootstrap): the screen was not tried"
mux() { tmux -L "prosodia-$$" -f /dev/null "$@"; }
screen() { mux capture-pane -p -t w; }
shows() { LC_ALL=C.UTF-8 grep -qP -- "$1" <<<"$(screen)"; }
expect_screen() { until_ok 20 shows "$1" || { screen >&2; fail "the screen does not show '$1'"; }; }
LC_ALL=C.UTF-8 mux -u new-session -d -s w -x 80 -y 24 "env PS1='back> ' bash --norc --noprofile"
mux set-option -g default-terminal screen-256color
expect_screen '^back>'
mux send-keys -t w "$P watch $run" Enter
expect_screen "step $steps/$steps .* complete"
expect_screen 'accuracy'
expect_screen '[\x{2801}-\x{28FF}]'  # braille: a curve
expect_screen 'rollout [0-9]+ '
mux send-keys -t w 3; expect_screen 'rollout-0 .* (gone|live) '
mux send-keys -t w 4; expect_screen "^>.* $steps "
mux send-keys -t w Enter; expect_screen 'response  '
mux send-keys -t w 6; expect_screen 'clip_ratio'
mux send-keys -t w '?'; expect_screen 'smoothing: automatic'
mux send-keys -t w x 1; expect_screen '\[1 Overview\]'
mux resize-window -t w -x 200 -y 50; until_ok 20 test "$(mux display -p -t w '#{pane_width}')" = 200 || fail "tmux did not resize"
expect_screen 'entropy'
mux resize-window -t w -x 30 -y 8; expect_screen 'needs 40x10'
mux resize-window -t w -x 80 -y 24; expect_screen '\[1 Overview\]'
restored() { [ "$(mux display -p -t w '#{alternate_on} #{cursor_flag}')" = "0 1" ] && shows '^back>'; }
mux send-keys -t w q
until_ok 20 restored || fail "q did not put the terminal back"
for signal in INT TERM HUP QUIT SEGV ABRT; do
  mux send-keys -t w "clear; $P watch $run" Enter
  expect_screen '\[1 Overview\]'
  pid=$(pgrep -P "$(mux display -p -t w '#{pane_pid}')")
  kill -"$signal" "$pid"
  until_ok 20 restored || { screen >&2; fail "SIG$signal did not put the terminal back"; }
  mux send-keys -t w "clear; stty -a | grep -oE ' -?(icanon|echo) '" Enter
  until_ok 20 shows '^ ?echo' || { screen >&2; fail "no echo after SIG$signal"; }
done
# Where the locale is not UTF-8, the curves are ASCII.
mux send-keys -t w "clear; LC_ALL=C $P watch $run" Enter
expect_screen '\[1 Overview\]'
if grep -qP '[^\x00-\x7F]' <<<"$(screen)"; then screen >&2; fail "not ASCII in the C locale"; fi
mux send-keys -t w q
echo "watch: ok"
