#!/usr/bin/env bash
# One oracle check as a test: oracle.sh SCRIPT. Skips (77) when there is no Python with transformers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PROSODIA_ORACLE_PYTHON:-$here/../../.venv-oracle/bin/python}
if ! "$python" -c 'import torch, transformers' 2>/dev/null; then
  echo "SKIPPED: $python has no torch and transformers. scripts/oracle makes it, or name another in PROSODIA_ORACLE_PYTHON"
  exit 77
fi
exec "$python" "$1" --binary "$PROSODIA_BINARY" "${@:2}"
