#!/usr/bin/env bash
# data import and data inspect --html by hand: a small tree in RAVDESS' layout, spoken by espeak-ng.
. "$(dirname "$0")/lib.sh"
R=$W/import && rm -rf "$R" && mkdir "$R"
for actor in 01 02 03 04; do
  mkdir -p "$R/release/Actor_$actor"
  for emotion in 01 02 03 04 05; do
    espeak-ng -p $((30 + 10#$actor * 10)) -s $((120 + 10#$emotion * 20)) -w "$R/release/Actor_$actor/03-01-$emotion-01-01-01-$actor.wav" \
      'Kids are talking by the door'
  done
done
head -c 2000 "$R/release/Actor_01/03-01-01-01-01-01-01.wav" >"$R/release/Actor_01/03-01-01-01-01-02-01.wav"
import=("$P" data import --format ravdess --root "$R/release")

"${import[@]}" --out "$R/c.h5" | tee "$R/out.txt"
grep -q 'calm .*left out' "$R/out.txt" || fail "the label map is not printed"
grep -q 'imported 16 utterances' "$R/out.txt" || fail "16 utterances expected"
grep -q '03-01-01-01-01-02-01.wav: truncated' "$R/out.txt" || fail "the truncated file is not named"
grep -q '"reason": "truncated' "$R/c.h5.import.json" || fail "no report beside the corpus"

# Killed at some moment, run again: the same bytes.
"${import[@]}" --out "$R/killed.h5" >"$R/killed.txt" 2>&1 & pid=$!
for _ in $(seq 200); do [ -e "$R/killed.h5.partial" ] || [ -e "$R/killed.h5" ] && break; sleep 0.02; done
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
"${import[@]}" --out "$R/killed.h5" >"$R/killed.txt"
cmp "$R/c.h5" "$R/killed.h5" || fail "an import that was killed ends with other bytes"
[ ! -e "$R/killed.h5.partial" ] || fail "the partial import is left over"

"$P" data inspect --corpus "$R/c.h5" --html "$R/card.html" --samples 4 | tee "$R/inspect.txt"
grep -q 'no speaker occurs in two splits' "$R/inspect.txt" || fail "speakers leak"
[ "$(grep -c '<audio controls' "$R/card.html")" = 4 ] || fail "four samples expected on the card"

expect_code 2 'must be one of ravdess' "$P" data import --format tess --root "$R/release" --out "$R/x.h5"
expect_code 2 "no label 'clam'" "${import[@]}" --out "$R/x.h5" --label_map clam=neutral
expect_code 2 'no speaker "Bob"' "${import[@]}" --out "$R/x.h5" --test_speakers Bob
expect_code 3 'no such folder' "$P" data import --format ravdess --root "$R/nowhere" --out "$R/x.h5"
expect_code 3 'nothing could be imported' "$P" data import --format emodb --root "$R/release" --out "$R/x.h5"
expect_code 3 '1 bad files, so no corpus is written' "${import[@]}" --out "$R/x.h5" --strict
[ ! -e "$R/x.h5" ] || fail "a corpus was written in spite of --strict"
