"""Collected data as pandas reads it: equal to what was scored."""

import json
import time
import urllib.request

import numpy
import pandas

LAYOUT = "modeldata/kept/kept/1"


def infer(host, service, request_id, array):
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": list(array.shape), "data": array.ravel().tolist()}
    request = urllib.request.Request(
        f"{host.url}/v2/models/{service}/infer",
        json.dumps({"inputs": [tensor]}).encode(),
        {"content-type": "application/json", "x-request-id": request_id},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def frames(host, designation, rows):
    folder = host.config.parent / "data" / "collected" / LAYOUT / designation
    for _ in range(400):
        found = [pandas.read_csv(path, keep_default_na=False, na_values=["NaN"]) for path in sorted(folder.glob("*/*/*/data*.csv"))]
        if sum(map(len, found)) >= rows:
            return pandas.concat(found)
        time.sleep(0.05)
    raise AssertionError(f"{folder} has not {rows} rows: {found}")


def test_pandas_reads_what_was_scored(host, models, tmp_path):
    file = tmp_path / "dc.json"
    file.write_text(json.dumps({"computeType": "local", "scorehost": {"collection": {}}}))
    model = host.cli("model", "register", "--name", "kept", "--path", models / "identity_fp32.onnx")
    host.cli("deploy", "-n", "kept", "-m", model, "--dc", file)
    random = numpy.random.default_rng(7)
    first, second = (random.standard_normal((rows, 16)).astype(numpy.float32) * 1e3 for rows in (3, 2))
    infer(host, "kept", "first", first)
    infer(host, "kept", "second", second)
    inputs, outputs = frames(host, "inputs", 5), frames(host, "predictions", 5)
    scored = numpy.concatenate([first, second])
    for frame, name in ((inputs, "INPUT0"), (outputs, "OUTPUT0")):
        features = frame[[f"{name}_{index}" for index in range(16)]].to_numpy().astype(numpy.float32)
        assert (features == scored).all()
        assert frame["$aml_request_id"].tolist() == ["first"] * 3 + ["second"] * 2
    joined = inputs.merge(outputs, on="$aml_dc_correlation_id")
    assert len(joined) == 5
    assert (pandas.to_datetime(inputs["$aml_dc_scoring_timestamp"]).dt.tz is not None)
