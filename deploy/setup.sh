#!/usr/bin/env bash
# Installs what scorehost's quick start and tests need beside Rust: system packages, the compilers for guests, the models.
# Safe to repeat; with nothing to do it takes about a second.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }

command -v cargo >/dev/null || fail "no Rust toolchain found" "install Rust 1.95 or newer with rustup, then run this again"
command -v python3 >/dev/null || fail "no python3 found" "install Python 3.11 or newer"
command -v cc >/dev/null || fail "no C compiler found" "install gcc or clang"
cargo nextest --version >/dev/null 2>&1 || cargo install cargo-nextest --locked

if ! command -v npm >/dev/null || ! command -v curl >/dev/null; then
  command -v apt-get >/dev/null || fail "no npm or no curl found" "install Node.js 20 or newer with npm, and curl"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends nodejs npm curl
fi

# Where `scorehost scorer build` looks, too.
export SCOREHOST_TOOLCHAINS_DIR="${SCOREHOST_TOOLCHAINS_DIR:-${SCOREHOST_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/scorehost}/toolchains}"
tests/install-guest-toolchains.sh

python=.venv/bin/python
if ! cmp -s deploy/models/requirements.txt .venv/requirements.txt; then
  python3 -m venv .venv
  $python -m pip install --quiet --disable-pip-version-check -r deploy/models/requirements.txt
  cp deploy/models/requirements.txt .venv/requirements.txt
fi
$python deploy/models/fetch_models.py .models
