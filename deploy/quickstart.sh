#!/usr/bin/env bash
# From a fresh machine to three running services: installs, builds, starts the server, registers real models, builds scorers,
# deploys, scores, and prints the answers and where to go on. Safe to repeat.
#
#   deploy/quickstart.sh           leaves the server running
#   deploy/quickstart.sh --once    stops it again at the end
#   deploy/quickstart.sh --stop    stops a server that an earlier run left
#
# Addresses: SCOREHOST_HTTP (127.0.0.1:8080) and SCOREHOST_GRPC (127.0.0.1:8081). Data: .scorehost/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-}
http=${SCOREHOST_HTTP:-127.0.0.1:8080}
grpc=${SCOREHOST_GRPC:-127.0.0.1:8081}
state=.scorehost/quickstart
scorehost=target/release/scorehost
export SCOREHOST_URL="http://$http"
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

stop() {
  [ -f $state/pid ] || return 0
  local pid; pid=$(cat $state/pid)
  # A process number may have been given away since: only a scorehost is stopped.
  if [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null || true)")" = scorehost ]; then
    kill -TERM "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi
  rm -f $state/pid
}
case $mode in
  --stop) stop; echo "stopped"; exit 0 ;;
  ""|--once) ;;
  *) sed -n '2,9p' "$0"; exit 2 ;;
esac

say "1. What it needs"
deploy/setup.sh
cargo build --release --locked
.venv/bin/python -c 'import tritonclient.http' 2>/dev/null \
  || .venv/bin/python -m pip install --quiet --disable-pip-version-check 'tritonclient[http]==2.73.0'

say "2. The server"
stop
mkdir -p $state
# The first start prints its administrator's credential on standard output, for this user's eyes only.
touch $state/administrator && chmod 600 $state/administrator
$scorehost serve --data-dir $state/data --http "$http" --grpc "$grpc" >>$state/administrator 2>$state/serve.log &
echo $! >$state/pid
disown
[ "$mode" = --once ] && trap stop EXIT
for _ in $(seq 200); do
  if curl -fsS -o /dev/null "$SCOREHOST_URL/v2/health/ready" 2>/dev/null; then ready=1; break; fi
  kill -0 "$(cat $state/pid)" 2>/dev/null || break
  sleep 0.05
done
[ -n "${ready:-}" ] || { cat $state/serve.log >&2; echo "error: the server did not start; its log is above" >&2; exit 1; }
echo "listening on $http (HTTP) and $grpc (gRPC); log in $state/serve.log"

register() { # name path: a new version only where the newest one has other content
  $scorehost model show "$1" --output json 2>/dev/null \
    | .venv/bin/python deploy/same_model.py "$2" \
    || $scorehost model register --name "$1" --path "$2"
}

key() { # service: its primary key; nothing where an earlier run deployed it without one
  $scorehost service keys "$1" --output json 2>/dev/null | .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["primaryKey"])' 2>/dev/null || true
}

say "3. Handwritten digits behind a Python entry script"
digits=$(register digits .models/digits.onnx)
$scorehost scorer build plugins/examples/digits -o $state/digits.wasm
$scorehost deploy -n digits -m "$digits" --scorer $state/digits.wasm
echo "\$ scorehost score digits --file plugins/examples/digits/sample.json"
$scorehost score digits --file plugins/examples/digits/sample.json; echo
echo "\$ curl -H 'Authorization: Bearer KEY' ..."
curl -fsS -H @<(printf 'Authorization: Bearer %s' "$(key digits)") -H 'Content-Type: application/json' \
  --data-binary @plugins/examples/digits/sample.json "$SCOREHOST_URL/api/v1/service/digits/score"; echo

say "4. Text in a photograph behind a Rust scorer"
det=$(register ppocr-det .models/ppocr_det.onnx)
rec=$(register ppocr-rec .models/ppocr_rec)
$scorehost scorer build plugins/examples/text-in-photo -o $state/text-in-photo.wasm
$scorehost deploy -n text-in-photo -m "$det" -m "$rec" --scorer $state/text-in-photo.wasm
echo "\$ scorehost score text-in-photo --file .models/photo.jpg --content-type image/jpeg"
$scorehost score text-in-photo --file .models/photo.jpg --content-type image/jpeg; echo

say "5. A model without code, asked by tritonclient"
forest=$(register digits-forest .models/digits_forest.onnx)
$scorehost deploy -n digits-forest -m "$forest"
SCOREHOST_KEY=$(key digits-forest) .venv/bin/python deploy/ask_tritonclient.py "$http" digits-forest .models/digits_samples.json

say "Where to go on"
cat <<TEXT
digits         POST $SCOREHOST_URL/api/v1/service/digits/score
               GET  $SCOREHOST_URL/api/v1/service/digits/swagger.json
text-in-photo  POST $SCOREHOST_URL/api/v1/service/text-in-photo/score
digits-forest  POST $SCOREHOST_URL/v2/models/digits-forest/infer      (gRPC: $grpc)

Services ask for their key (scorehost service keys NAME); this user's command line needs none. Try one with curl:

  curl -H 'Authorization: Bearer $(key digits)' -H 'Content-Type: application/json' \\
    --data-binary @plugins/examples/digits/sample.json $SCOREHOST_URL/api/v1/service/digits/score

all services   scorehost service list          logs: scorehost service logs digits --follow
TEXT
if [ "$mode" = --once ]; then
  stop; echo "The server was stopped; start it again without --once."
else
  echo "The server keeps running (process $(cat $state/pid)); stop it with: deploy/quickstart.sh --stop"
fi
