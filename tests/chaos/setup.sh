#!/usr/bin/env bash
# The undisturbed run: its digest is the measure of all disturbed ones.
. "$(dirname "$0")/lib.sh"
rm -rf "$C" && mkdir -p "$C"
use_folder calm
start_run && finish_run
require_digest "$R/run.log" >"$C/digest"
check_run
