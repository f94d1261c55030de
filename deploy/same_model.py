"""Prints the id of a registered model (`scorehost model show --output json` on standard input) when its files are those of PATH.

    scorehost model show NAME --output json | python3 deploy/same_model.py PATH    # status 1 when they differ
"""

import hashlib
import json
import sys
from pathlib import Path


def digests(path: Path) -> dict[str, str]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    base = path.parent if path.is_file() else path
    return {str(file.relative_to(base)): "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


text = sys.stdin.read()
model = json.loads(text) if text.strip() else {"files": []}
if {file["path"]: file["digest"] for file in model["files"]} != digests(Path(sys.argv[1])):
    sys.exit(1)
print(model["id"])
