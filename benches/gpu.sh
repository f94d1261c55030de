#!/bin/bash
# Correctness and speed of the CUDA device on the GPU of this machine, beside PyTorch in the same run; prints the tables last.
#
#   benches/gpu.sh [CHECK] [MODELS] [ONNX-NODE]
#
# CHECK: the program, built by `cargo build --release -p scorehost-device-cuda --example check` (default: there).
# MODELS: a folder with resnet50.onnx, mobilenetv2.onnx, minilm.onnx and ppocr_rec.onnx, whole or stripped by
# benches/gpu_models.py (default: .models). ONNX-NODE: the ONNX project's node cases (default: MODELS/onnx-node).
# Needs NVIDIA's driver, and libnvrtc and libcublasLt in LD_LIBRARY_PATH or from Python's nvidia packages; ONNX Runtime (any) is
# the oracle where ORT_DYLIB_PATH or Python has it, the reference executor elsewhere. Steps: PARTS="conformance models bench torch".
set -u
cd "$(dirname "$0")/.."
check=${1:-target/release/examples/check}
models=${2:-.models}
node=${3:-$models/onnx-node}
out=${OUT:-$(mktemp -d)}
parts=${PARTS:-conformance models errors concurrent memory bench torch}
python=${PYTHON:-python3}

libraries=$($python - <<'PY' 2>/dev/null
import importlib.util, pathlib
spec = importlib.util.find_spec("nvidia")
roots = list(spec.submodule_search_locations) if spec else []
print(":".join(sorted({str(path.parent) for root in roots for path in pathlib.Path(root).glob("**/lib/lib*.so*")})))
PY
)
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:$libraries"
if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    found=$($python -c 'import onnxruntime, pathlib; print(next(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*")))' 2>/dev/null)
    [ -n "$found" ] && export ORT_DYLIB_PATH=$found
fi

"$check" devices || exit 1
full=$models
if grep -q . <(find "$models" -maxdepth 1 -name 'resnet50.onnx' -size -2M); then
    full=$(mktemp -d)
    for model in "$models"/*.onnx; do
        $python benches/gpu_models.py fill "$model" "$full/$(basename "$model")" || exit 1
    done
fi

status=0
step() { # name, command…
    local name=$1
    shift
    "$@" >"$out/$name.txt" 2>&1 || status=1
    tail -n 3 "$out/$name.txt"
}
image=N,3,224,224
tokens="N,128 N,128 N,128"
for part in $parts; do
    case $part in
    conformance) step conformance timeout 150 "$check" conformance "$node" ;;
    models)
        step models_minilm timeout 100 "$check" models "$full/minilm.onnx" $tokens
        step models_odd env BATCHES=1,2 timeout 60 "$check" models "$full/minilm.onnx" N,37 N,37 N,37
        step models_resnet50 timeout 100 "$check" models "$full/resnet50.onnx" $image
        step models_mobilenetv2 timeout 100 "$check" models "$full/mobilenetv2.onnx" $image
        step models_ppocr timeout 100 "$check" models "$full/ppocr_rec.onnx" N,3,48,320
        ;;
    errors) step errors timeout 60 $python benches/gpu_torch.py errors ;;
    concurrent) step concurrent timeout 60 "$check" concurrent "$full/minilm.onnx" $tokens ;;
    memory) step memory timeout 60 "$check" memory "$full/resnet50.onnx" $image ;;
    bench)
        $python benches/gpu_torch.py ceilings >"$out/ceilings.txt" 2>&1 && . "$out/ceilings.txt"
        step bench_resnet50 timeout 120 "$check" bench "$full/resnet50.onnx" $image
        step bench_minilm timeout 120 "$check" bench "$full/minilm.onnx" $tokens
        ;;
    torch) step torch timeout "${TORCH_SECONDS:-150}" $python benches/gpu_torch.py "${TORCH_MODES:-eager,graph}" ;;
    esac
done
echo "== failures"
cat "$out"/*.txt | grep -E '^(FAIL|WRONG)' | head -60
echo "== tables"
cat "$out"/*.txt | grep -hE '^(ok|scorehost|pytorch|conformance|export)'
exit $status
