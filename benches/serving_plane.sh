#!/usr/bin/env bash
# Every figure of the serving plane in one run of some seven minutes, and one summary at the end: the way through the router, verdicts,
# authentication and versions, telemetry, TLS, overload, and the short fault run.
#
#     benches/serving_plane.sh [FOLDER]
#
# Writes each bench's output to FOLDER (a new temporary one by default). Exits with 1 where any of them does. PYTHON names the
# interpreter; the fault run needs its packages `aiohttp` and `grpcio`.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${1:-$(mktemp -d)}
mkdir -p "$out"
python=${PYTHON:-.venv-tests/bin/python}
failed=()

bench() { # name, command…
  local name=$1
  shift
  echo "== $name: $*" >&2
  local began=$SECONDS
  "$@" >"$out/$name.txt" 2>"$out/$name.log" || failed+=("$name")
  echo "   $((SECONDS - began)) s" >&2
}

# With the whole workspace, so that third-party crates keep the features that its tests were built with.
cargo build --release --bins && cargo build --release --workspace --examples || exit 1
bench router target/release/examples/overhead
bench verdict target/release/examples/verdict_cost
bench router_overhead "$python" benches/router_overhead.py --rounds 6
bench telemetry "$python" benches/telemetry.py --rounds 8
bench tls "$python" benches/tls.py --seconds 1
bench overload "$python" benches/overload.py --seconds 4
bench fault_run "$python" benches/fault_run.py --minutes 0.5 --kills 2

echo
echo "# The serving plane, $(date -u +%F), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
for name in router verdict router_overhead telemetry tls overload fault_run; do
  printf '\n## %s\n\n' "$name"
  cat "$out/$name.txt"
done
if ((${#failed[@]})); then
  printf '\nfailed: %s; see %s\n' "${failed[*]}" "$out"
  exit 1
fi
printf '\nall passed; output in %s\n' "$out"
