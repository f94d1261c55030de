#!/usr/bin/env bash
# Runs every test on a fresh or a used machine: installs what is missing, then the Rust tests, the guests' tests and the stock
# clients. Safe to repeat. Nothing is skipped here: a part that cannot be installed is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/steps.sh

step "set-up"
deploy/setup.sh

# Where deploy/setup.sh put the guests' compilers, and where `scorehost scorer build` looks by itself.
export SCOREHOST_TOOLCHAINS_DIR="${SCOREHOST_TOOLCHAINS_DIR:-${SCOREHOST_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/scorehost}/toolchains}"
export REQUIRE_ONNXRUNTIME=1 REQUIRE_GUEST_TOOLCHAINS=1 REQUIRE_ONNX_CASES=1
export ORT_DYLIB_PATH="$PWD/.models/lib/libonnxruntime.so"
# environment NAME REQUIREMENTS: a virtual environment that is made anew when its requirements change
environment() {
  if ! cmp -s "$2" "$1/requirements.txt"; then
    python3 -m venv --clear "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
    cp "$2" "$1/requirements.txt"
  fi
}
# The compiler of CUDA kernels needs no GPU: every kernel is compiled with it.
environment .venv-cuda tests/requirements-cuda.txt
cuda=$(.venv-cuda/bin/python -c 'import nvidia, pathlib; print(next(p.parent for root in nvidia.__path__ for p in pathlib.Path(root).glob("**/libnvrtc.so*")))')
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$cuda" REQUIRE_NVRTC=1 REQUIRE_MODELS=1
# OpenCL's loader with two devices: PoCL's on the CPU, and Intel's FPGA emulator, whose own loader would hide the system's.
if [ ! -e /etc/OpenCL/vendors/pocl.icd ] || ! ldconfig -p | grep -q 'libOpenCL\.so\.1'; then
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends pocl-opencl-icd ocl-icd-libopencl1
fi
environment .venv-fpga tests/requirements-fpga.txt
rm -f .venv-fpga/lib/libOpenCL.so*
mkdir -p .venv-fpga/vendors
cp /etc/OpenCL/vendors/pocl.icd .venv-fpga/vendors/
echo "$PWD/.venv-fpga/lib/libintelocl_emu.so" >.venv-fpga/vendors/emulator.icd
export REQUIRE_OPENCL=1
step "build"
# Builds the program, too, which the stock clients run against.
cargo nextest run --release --locked --workspace --no-run
step "Rust tests"
cargo nextest run --release --locked --workspace --no-fail-fast -E 'not package(scorehost-device-opencl)'
step "OpenCL tests"
LD_LIBRARY_PATH="$LD_LIBRARY_PATH:$PWD/.venv-fpga/lib" OCL_ICD_VENDORS="$PWD/.venv-fpga/vendors" REQUIRE_FPGA_EMULATOR=1 \
  cargo nextest run --release --locked --workspace --no-fail-fast -E 'package(scorehost-device-opencl)'
step "guests' tests"
CARGO_TARGET_DIR="$PWD/target/guests" cargo nextest run --release --locked --manifest-path plugins/Cargo.toml -p ocr-core

step "stock clients, installing"
environment .venv-tests tests/requirements.txt
environment .venv-azure tests/requirements-azure.txt
environment .venv-stores tests/requirements-stores.txt
export REQUIRE_STORES=1 REQUIRE_AZMLINFSRV=1 AZMLINFSRV="$PWD/.venv-azure/bin/azmlinfsrv"
step "stock clients"
.venv-tests/bin/python -m pytest -q -p no:cacheprovider tests/conformance
