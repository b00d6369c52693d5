#!/usr/bin/env bash
# The run without Slurm: its digest is the measure of all others.
. "$(dirname "$0")/cluster.sh"
rm -rf "$S" && mkdir -p "$S"
"$P" train "${run_options[@]}" --output_dir "$S/local" >"$S/local.log" 2>&1 || { cat "$S/local.log"; fail train; }
require_digest "$S/local.log" >"$S/digest"
