#!/usr/bin/env bash
# The Slurm scripts are clean.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v shellcheck >/dev/null || { echo 'SKIPPED: needs shellcheck (scripts/bootstrap)'; exit 77; }
shellcheck -x scripts/slurm/train.sbatch scripts/slurm/train-het.sbatch scripts/slurm/task scripts/slurm/attach
