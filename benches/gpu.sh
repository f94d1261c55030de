#!/bin/bash
# Everything that a GPU has to prove, in one command: correctness, speed beside PyTorch and ONNX Runtime, the whole product over HTTP.
# Prints what each part says, then tables. Ends with 1 where a part failed or was not run, which stops no other part.
#
#   benches/gpu.sh [FOLDER]          # FOLDER: what `pack` made; by default what cargo built and .models
#   benches/gpu.sh pack FOLDER       # for a machine without toolchain and models: FOLDER/gpu.tar.xz, 34 MB, is all it needs beside benches/
#   STAND_IN=1 benches/gpu.sh        # no GPU: PoCL takes its part in the whole product, what needs CUDA says what is missing
#
# Before: cargo build --release --bin scorehost && cargo build --release -p scorehost-device-cuda --example check
# Needs NVIDIA's driver, and libnvrtc and libcublasLt in LD_LIBRARY_PATH or from Python's nvidia packages. ONNX Runtime (any) is the oracle
# where ORT_DYLIB_PATH or Python has it, the reference executor elsewhere. PARTS="devices product …" runs some; SECONDS_IN_ALL bounds all (480).
set -u
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}

pack() { # folder
    local stage
    stage=$(mktemp -d) && mkdir -p "$1" "$stage/models" || exit 1
    strip -o "$stage/scorehost" target/release/scorehost && strip -o "$stage/check" target/release/examples/check || exit 1
    for model in resnet50 mobilenetv2 minilm ppocr_rec; do
        "${PACK_PYTHON:-.venv/bin/python}" benches/gpu_models.py strip ".models/$model.onnx" "$stage/models/$model.onnx" || exit 1
    done
    cp -rL .models/onnx-node "$stage/models/" || exit 1
    tar -C "$stage" -cf - . | xz -T0 -3 >"$1/gpu.tar.xz" && ls -l "$1/gpu.tar.xz" && rm -r "$stage"
}
if [ "${1:-}" = pack ]; then
    pack "${2:?benches/gpu.sh pack FOLDER}"
    exit
fi

SECONDS=0
limit=${SECONDS_IN_ALL:-480}
out=${OUT:-$(mktemp -d)}
check=target/release/examples/check
models=.models
export SCOREHOST=${SCOREHOST:-$PWD/target/release/scorehost}
if [ -n "${1:-}" ]; then
    unpacked=$(mktemp -d)
    "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2], filter="data")' "$1/gpu.tar.xz" "$unpacked" || exit 1
    check=$unpacked/check models=$unpacked/models SCOREHOST=$unpacked/scorehost
fi

libraries=$("$python" - <<'PY' 2>/dev/null
import importlib.util, pathlib
spec = importlib.util.find_spec("nvidia")
roots = list(spec.submodule_search_locations) if spec else []
print(":".join(sorted({str(path.parent) for root in roots for path in pathlib.Path(root).glob("**/lib/lib*.so*")})))
PY
)
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:$libraries" REQUIRE_CUDA=1
if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    found=$("$python" -c 'import onnxruntime, pathlib; print(next(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*")))' 2>/dev/null)
    [ -n "$found" ] && export ORT_DYLIB_PATH=$found
fi

status=0
step() { # name, seconds at most, command…
    local name=$1 most=$2 left=$((limit - SECONDS)) code begin=$SECONDS
    shift 2
    if [ "$left" -lt 5 ]; then
        echo "NOTRUN $name: $limit s are over" | tee "$out/$name.txt"
        status=1
        return
    fi
    [ "$most" -gt "$left" ] && most=$left
    timeout -k 5 "$most" "$@" >"$out/$name.txt" 2>&1
    code=$?
    case $code in
    0) ;;
    77) echo "SKIPPED $name: $(tail -n 1 "$out/$name.txt")" >>"$out/$name.txt" ;;
    124 | 137) echo "NOTRUN $name: not finished in $most s" >>"$out/$name.txt" ;;
    *) echo "ENDED $name: exit code $code; $(tail -n 1 "$out/$name.txt")" >>"$out/$name.txt" ;;
    esac
    [ "$code" = 0 ] || [ "$code" = 77 ] || status=1
    echo "-- $name, $((SECONDS - begin)) s"
    tail -n 3 "$out/$name.txt"
}

# Weights that were left at home are drawn again.
full=$models
if [ -n "$(find "$models/" -maxdepth 1 -name resnet50.onnx -size -2M)" ]; then
    full=$(mktemp -d)
    mkdir "$full/onnx-node" && cp -rL "$models/onnx-node/test_det_2d" "$full/onnx-node/"
    for model in resnet50 mobilenetv2 minilm ppocr_rec; do
        "$python" benches/gpu_models.py fill "$models/$model.onnx" "$full/$model.onnx" || status=1
    done
fi

image=N,3,224,224
tokens=("N,128" "N,128" "N,128")
stand_in=()
[ -n "${STAND_IN:-}" ] && stand_in=(--stand-in)
# What matters most first: whatever the time does not allow is told as not run.
for part in ${PARTS:-devices product models concurrent memory residency conformance bench torch onnxruntime errors}; do
    case $part in
    devices) step devices 60 "$check" devices ;;
    product) step product 150 "$python" benches/gpu_product.py --models "$full" "${stand_in[@]}" ;;
    models)
            step models_minilm 60 "$check" models "$full/minilm.onnx" "${tokens[@]}"
        step models_odd 40 env BATCHES=1,2 "$check" models "$full/minilm.onnx" N,37 N,37 N,37
        step models_resnet50 60 "$check" models "$full/resnet50.onnx" $image
        step models_mobilenetv2 60 "$check" models "$full/mobilenetv2.onnx" $image
        step models_ppocr 60 "$check" models "$full/ppocr_rec.onnx" N,3,48,320
        ;;
    concurrent) step concurrent 40 "$check" concurrent "$full/minilm.onnx" "${tokens[@]}" ;;
    memory) step memory 40 "$check" memory "$full/resnet50.onnx" $image ;;
    residency) step residency 60 "$check" residency "$full/mobilenetv2.onnx" $image ;;
    conformance) step conformance 120 "$check" conformance "$models/onnx-node" ;;
    bench)
        step ceilings 60 "$python" benches/gpu_torch.py ceilings
        # shellcheck disable=SC1090
        grep -q '^export GPU_' "$out/ceilings.txt" && . <(grep '^export GPU_' "$out/ceilings.txt")
        step bench_resnet50 60 "$check" bench "$full/resnet50.onnx" $image
            step bench_minilm 60 "$check" bench "$full/minilm.onnx" "${tokens[@]}"
        ;;
    torch) step torch "${TORCH_SECONDS:-90}" "$python" benches/gpu_torch.py "${TORCH_MODES:-eager,graph}" ;;
    onnxruntime) step onnxruntime 90 "$python" benches/gpu_onnxruntime.py "$full" ;;
    errors) step errors 60 "$python" benches/gpu_torch.py errors ;;
    *)
        echo "there is no part '$part'"
        status=1
        ;;
    esac
done
"$python" benches/gpu_tables.py "$out"
echo "$SECONDS s in all; $([ $status = 0 ] && echo every part passed || echo 'NOT everything passed')"
exit $status
