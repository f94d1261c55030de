"""Takes the PP-OCRv4 detection and recognition models out of the `rapidocr-onnxruntime` wheel."""

import shutil
import tempfile
import zipfile
from pathlib import Path

from wheels import download

MODELS = {
    "ppocr_det.onnx": "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    "ppocr_rec.onnx": "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
}


def build(directory: Path) -> None:
    """Writes both models and `ppocr_keys.txt`: the character of class 1 in line 1, and so on (class 0 is the CTC
    blank, the class after the last line is the space)."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(download("rapidocr-onnxruntime", Path(scratch))) as wheel:
            for name, member in MODELS.items():
                (directory / name).write_bytes(wheel.read(member))
    (directory / "ppocr_keys.txt").write_text(characters(directory / "ppocr_rec.onnx") + "\n", encoding="utf-8")
    bundle(directory)


def bundle(directory: Path) -> None:
    """Puts the recognition model and its characters into one folder, to be registered as one model."""
    target = directory / "ppocr_rec"
    target.mkdir(exist_ok=True)
    shutil.copyfile(directory / "ppocr_rec.onnx", target / "model.onnx")
    shutil.copyfile(directory / "ppocr_keys.txt", target / "ppocr_keys.txt")


def characters(model: Path) -> str:
    import onnx

    metadata = {entry.key: entry.value for entry in onnx.load(str(model)).metadata_props}
    return metadata["character"].strip("\n")
