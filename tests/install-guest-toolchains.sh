#!/usr/bin/env bash
# Installs the compilers that scorers in Rust, Python, JavaScript and C are built with, in the layout that the builder
# itself uses, so that tests and the quick start need not fetch anything later. Running it again changes nothing.
#
#   SCOREHOST_TOOLCHAINS_DIR   where to (default: target/toolchains)
set -euo pipefail
cd "$(dirname "$0")/.."
toolchains=$(realpath -m "${SCOREHOST_TOOLCHAINS_DIR:-target/toolchains}")
version() { awk -v tool="$1" '$1 == tool { print $2 }' host/build/toolchains.txt; }

# Rust: a wasm target of the toolchain in use; where targets cannot be added, Debian's compiler with its library source.
rust() {
    local sysroot
    sysroot=$(rustc --print sysroot)
    [ -d "$sysroot/lib/rustlib/wasm32-unknown-unknown/lib" ] && return
    [ -d /usr/lib/rustlib/src/rust/library/std ] && return
    rustup target add wasm32-unknown-unknown && return
    echo "no wasm target can be added; installing Debian's rustc-web"
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get -o DPkg::Lock::Timeout=400 install -y --no-install-recommends rustc-web rust-web-src
}

# A Python package in a virtual environment of its own.
python_tool() {
    local folder="$toolchains/$1-$(version "$1")"
    [ -e "$folder/.complete" ] && return
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$1==$(version "$1")"
    touch "$folder/.complete"
}

# A Node package in a folder of its own.
node_tool() {
    local folder="$toolchains/$1-$(version "$1")"
    [ -e "$folder/.complete" ] && return
    mkdir -p "$folder"
    npm install --silent --no-save --no-audit --no-fund --prefix "$folder" "$1@$(version "$1")"
    touch "$folder/.complete"
}

rust
python_tool componentize-py
python_tool ziglang
node_tool componentize-qjs
echo "guest toolchains: $toolchains"
