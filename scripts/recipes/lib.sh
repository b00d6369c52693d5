# What the recipes share; sourced, not run. Sets nothing up by itself: call recipe_begin first.
#   recipe_build                     installs what is missing and builds; sets $prosodia
#   recipe_begin NAME FOLDER STAMP   makes FOLDER, or goes on in it when it holds an unfinished NAME with the same STAMP
#   step NAME COMMAND…               prints and runs a command once; its output goes to FOLDER/NAME.log
#   recipe_end                       marks FOLDER as finished

recipe_build() {
  scripts/bootstrap
  if [ ! -x build/bin/prosodia ] || [ -n "${REBUILD:-}" ]; then
    cmake --preset release -DPROSODIA_TESTS=OFF >/dev/null
  fi
  cmake --build build --target prosodia
  prosodia=build/bin/prosodia
}

recipe_begin() {
  recipe_name=$1 recipe_out=$2
  local stamp=$3
  recipe_began=$(date +%s)
  # A finished folder, or one of other options or another program, is not gone on with.
  if [ -e "$recipe_out/.finished" ] || { [ -e "$recipe_out/.$recipe_name" ] && [ "$(cat "$recipe_out/.$recipe_name")" != "$stamp" ]; }; then
    echo "$recipe_name: $recipe_out holds an earlier one; starting afresh"
    rm -rf "$recipe_out"
  elif [ -e "$recipe_out" ] && [ ! -e "$recipe_out/.$recipe_name" ]; then
    echo "$recipe_name: $recipe_out exists and was not made by this script; give another folder" >&2
    exit 2
  fi
  mkdir -p "$recipe_out"
  echo "$stamp" >"$recipe_out/.$recipe_name"
}

step() {
  local name=$1
  shift
  if [ -e "$recipe_out/.done-$name" ]; then printf '\n== %s: done before\n' "$name"; return; fi
  printf '\n== %s (%d s)\n$ %s\n' "$name" $(($(date +%s) - recipe_began)) "$*"
  mkdir -p "$(dirname "$recipe_out/$name.log")" "$(dirname "$recipe_out/.done-$name")"
  "$@" 2>&1 | tee "$recipe_out/$name.log"
  touch "$recipe_out/.done-$name"
}

recipe_end() { touch "$recipe_out/.finished"; }

# The newest checkpoint of a run folder.
last_checkpoint() { ls -d "$1"/checkpoints/step-* | sort | tail -n 1; }
