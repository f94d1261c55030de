"""The tables of a run of `gpu.sh`: `gpu_tables.py FOLDER` reads what its parts have printed."""

import re
import sys
from pathlib import Path

from harness import table

BENCH = re.compile(r"(scorehost|pytorch|onnxruntime) (\S+) (\w+) (?:(\w+) )?batch (\d+): p50 ([\d.]+) ms p99 ([\d.]+) ms, (\d+) rows/s(.*)")
MODEL = re.compile(r"(?:ok  |FAIL) (\S+) (\w+) batch (\d+): relative error (\S+) \(allowed (\S+)\)")
BAD = re.compile(r"^(FAIL|WRONG|NOTRUN|ENDED)", re.M)


def verdict(text: str) -> str:
    if re.search(r"^SKIPPED", text, re.M):
        return "skipped"
    return "FAILED" if BAD.search(text) else "passed"


def parts(texts: dict[str, str]) -> str:
    rows = []
    for name, text in texts.items():
        good, bad = (len(re.findall(rf"^{word}", text, re.M)) for word in ("ok", "(?:FAIL|WRONG)"))
        lines = text.strip().splitlines() or ["said nothing"]
        rows.append([name, verdict(text), good, bad, lines[-1][:150].replace("|", "/")])
    return table(["part", "verdict", "right", "wrong", "last line"], rows)


def errors(lines: list[str]) -> str:
    """The largest error of each model and precision."""
    worst: dict[tuple[str, str], list] = {}
    for line in lines:
        if found := MODEL.match(line):
            model, precision, batch, error, allowed = found.groups()
            row = worst.setdefault((Path(model).stem, precision), [[], 0.0, allowed])
            row[0].append(batch)
            row[1] = max(row[1], float(error))
    rows = [[*key, ", ".join(batches), f"{error:.1e}", allowed] for key, (batches, error, allowed) in worst.items()]
    return table(["model", "precision", "batches", "largest relative error", "allowed"], rows)


def timings(lines: list[str]) -> str:
    """One row a model, precision and batch, ours beside the others'."""
    rows: dict[tuple[str, str, int], dict] = {}
    for line in lines:
        if found := BENCH.match(line):
            who, model, precision, mode, batch, p50, p99, rate, rest = found.groups()
            row = rows.setdefault((Path(model).stem, precision, int(batch)), {})
            row[f"{who} {mode}" if mode else who] = (float(p50), float(p99), int(rate), rest)
    table_rows = []
    for (model, precision, batch), row in rows.items():
        ours = row.get("scorehost")
        floor = re.search(r"floor ([\d.]+) ms = (\d+) % of p50", ours[3]) if ours else None
        times = [f"{row[who][0]:.3f} / {row[who][1]:.3f}" if who in row else None for who in PEERS]
        ratios = [f"{ours[0] / row[who][0]:.2f}" if ours and who in row else None for who in PEERS[1:]]
        rate = ours[2] if ours else None
        table_rows.append([model, precision, batch, *times, *ratios, rate, *(floor.groups() if floor else (None, None))])
    heads = [f"{who}, ms" for who in PEERS] + [f"of {who}" for who in PEERS[1:]]
    return table(["model", "precision", "batch", *heads, "rows/s, 4 callers", "floor, ms", "floor / p50, %"], table_rows)


PEERS = ["scorehost", "pytorch graph", "pytorch eager", "onnxruntime cuda"]


def main(folder: str) -> None:
    files = sorted(Path(folder).glob("*.txt"), key=lambda file: file.stat().st_mtime)
    texts = {file.stem: file.read_text(errors="replace") for file in files}
    lines = [line for text in texts.values() for line in text.splitlines()]
    print("\n== what went wrong")
    print("\n".join([line for line in lines if BAD.match(line)][:60]) or "nothing")
    print("\n== parts\n" + parts(texts))
    print("\n== whole models\n" + errors(lines))
    print("\n== time, p50 / p99\n" + timings(lines))
    kept = ("conformance", "served ", "ok   product", "pytorch", "export")
    print("\n== the rest\n" + "\n".join(line for line in lines if line.startswith(kept) and not BENCH.match(line)))


if __name__ == "__main__":
    main(*sys.argv[1:])
