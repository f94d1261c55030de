"""The stock `tritonclient` over HTTP and gRPC."""

import gzip
import json
from http.client import HTTPConnection

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from arrays import IDENTITIES, sample
from conftest import MODELS, ROOT
from tritonclient.utils import InferenceServerException

CASES = [pytest.param(*case, id=case[1]) for case in IDENTITIES]


@pytest.fixture(scope="module")
def http(host):
    with httpclient.InferenceServerClient(host.http, concurrency=4) as client:
        yield client


@pytest.fixture(scope="module")
def grpc(host):
    with grpcclient.InferenceServerClient(host.grpc) as client:
        yield client


def http_infer(client, service, name, array, binary_in=True, binary_out=True, **options):
    given = httpclient.InferInput("INPUT0", list(array.shape), name)
    given.set_data_from_numpy(array, binary_data=binary_in)
    wanted = httpclient.InferRequestedOutput("OUTPUT0", binary_data=binary_out)
    return client.infer(service, [given], outputs=[wanted], **options)


def grpc_infer(client, service, name, array, **options):
    given = grpcclient.InferInput("INPUT0", list(array.shape), name)
    given.set_data_from_numpy(array)
    return client.infer(service, [given], outputs=[grpcclient.InferRequestedOutput("OUTPUT0")], **options)


@pytest.mark.parametrize("service, name, dtype", CASES)
def test_http_binary_round_trip(http, service, name, dtype):
    array = sample(dtype)
    np.testing.assert_array_equal(http_infer(http, service, name, array).as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize("service, name, dtype", [case for case in CASES if case.values[1] != "FP16"])
def test_http_json_round_trip(http, service, name, dtype):
    """FP16 has no JSON form in the protocol; the client itself refuses it."""
    array = sample(dtype)
    answer = http_infer(http, service, name, array, binary_in=False, binary_out=False).as_numpy("OUTPUT0")
    if dtype is np.object_:
        answer = np.array([text.encode() if isinstance(text, str) else text for text in answer.flat], dtype=object)
        answer = answer.reshape(array.shape)
    np.testing.assert_array_equal(answer, array)


@pytest.mark.parametrize("service, name, dtype", CASES)
def test_grpc_round_trip(grpc, service, name, dtype):
    array = sample(dtype)
    np.testing.assert_array_equal(grpc_infer(grpc, service, name, array).as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize("rows", [0, 1, 7, 4096])
def test_any_number_of_rows(http, grpc, rows):
    array = sample(np.float32, rows)
    np.testing.assert_array_equal(http_infer(http, "identity-fp32", "FP32", array).as_numpy("OUTPUT0"), array)
    np.testing.assert_array_equal(grpc_infer(grpc, "identity-fp32", "FP32", array).as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_http_compression_both_ways(http, algorithm):
    array = sample(np.float32, 512)
    answer = http_infer(
        http,
        "identity-fp32",
        "FP32",
        array,
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), array)


def test_request_id_is_echoed(http, grpc):
    array = sample(np.float32)
    assert http_infer(http, "identity-fp32", "FP32", array, request_id="r-17").get_response()["id"] == "r-17"
    assert grpc_infer(grpc, "identity-fp32", "FP32", array, request_id="r-18").get_response().id == "r-18"


def test_two_inputs_two_outputs_and_a_choice(http):
    left, right = sample(np.float32), sample(np.float32)
    inputs = [httpclient.InferInput(f"INPUT{index}", [3, 16], "FP32") for index in (0, 1)]
    inputs[0].set_data_from_numpy(left)
    inputs[1].set_data_from_numpy(right)
    answer = http.infer("add-sub", inputs)
    np.testing.assert_allclose(answer.as_numpy("OUTPUT0"), left + right, rtol=1e-6)
    np.testing.assert_allclose(answer.as_numpy("OUTPUT1"), left - right, rtol=1e-6, atol=1e-6)
    only = http.infer("add-sub", inputs, outputs=[httpclient.InferRequestedOutput("OUTPUT1")])
    assert only.as_numpy("OUTPUT0") is None
    assert only.as_numpy("OUTPUT1") is not None


def test_concurrent_requests_do_not_mix(http):
    arrays = [sample(np.float32, rows) for rows in range(1, 33)]
    pending = []
    for array in arrays:
        given = httpclient.InferInput("INPUT0", list(array.shape), "FP32")
        given.set_data_from_numpy(array)
        pending.append(http.async_infer("identity-fp32", [given]))
    for array, answer in zip(arrays, pending):
        np.testing.assert_array_equal(answer.get_result().as_numpy("OUTPUT0"), array)


def test_metadata_config_and_health_agree(http, grpc):
    assert http.is_server_live() and http.is_server_ready() and http.is_model_ready("digits")
    assert grpc.is_server_live() and grpc.is_server_ready() and grpc.is_model_ready("digits")
    assert not http.is_model_ready("nobody") and not grpc.is_model_ready("nobody")
    over_http = http.get_model_metadata("digits")
    over_grpc = grpc.get_model_metadata("digits", as_json=True)
    assert over_http["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 64]}]
    assert [output["name"] for output in over_http["outputs"]] == ["label", "probabilities"]
    assert [output["name"] for output in over_grpc["outputs"]] == ["label", "probabilities"]
    assert http.get_model_config("digits")["name"] == "digits"
    assert grpc.get_model_config("digits").config.name == "digits"
    assert "statistics" in http.get_server_metadata()["extensions"]
    assert grpc.get_server_metadata().name == http.get_server_metadata()["name"] == "scorehost"


def test_statistics_count_what_was_done(http, grpc):
    count = lambda: int(http.get_inference_statistics("identity-int8")["model_stats"][0]["inference_count"])
    before = count()
    array = sample(np.int8, 1)
    for _ in range(5):
        http_infer(http, "identity-int8", "INT8", array)
        grpc_infer(grpc, "identity-int8", "INT8", array)
    assert count() - before == 10
    over_grpc = grpc.get_inference_statistics("identity-int8").model_stats[0]
    assert over_grpc.inference_count == count()
    assert over_grpc.inference_stats.success.count == count()


def test_repository_unload_and_load(host, http, grpc, models):
    host.deploy_model("comes-and-goes", models / "identity_fp32.onnx")
    # The repository is managed with a management credential, sent as each client sends headers.
    who = host.authorization()
    state = lambda: {entry["name"]: entry.get("state") for entry in http.get_model_repository_index(headers=who)}
    assert state()["comes-and-goes"] == "READY"
    with pytest.raises(InferenceServerException, match="management credential"):
        http.unload_model("comes-and-goes")
    http.unload_model("comes-and-goes", headers=who)
    assert state()["comes-and-goes"] == "UNAVAILABLE"
    array = sample(np.float32)
    with pytest.raises(InferenceServerException):
        http_infer(http, "comes-and-goes", "FP32", array)
    with pytest.raises(InferenceServerException, match="StatusCode.UNAUTHENTICATED"):
        grpc.load_model("comes-and-goes")
    grpc.load_model("comes-and-goes", headers=who)
    np.testing.assert_array_equal(http_infer(http, "comes-and-goes", "FP32", array).as_numpy("OUTPUT0"), array)


def test_grpc_stream_answers_in_order(grpc):
    answers = []
    grpc.start_stream(callback=lambda result, error: answers.append((result, error)))
    arrays = [sample(np.float32, rows) for rows in range(1, 9)]
    for index, array in enumerate(arrays):
        given = grpcclient.InferInput("INPUT0", list(array.shape), "FP32")
        given.set_data_from_numpy(array)
        grpc.async_stream_infer("identity-fp32", [given], request_id=str(index))
    grpc.stop_stream()
    assert [error for _, error in answers] == [None] * 8
    assert [result.get_response().id for result, _ in answers] == [str(index) for index in range(8)]
    for array, (result, _) in zip(arrays, answers):
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize(
    "service, shape, name, says",
    [
        ("nobody", [1, 16], "FP32", "nobody"),
        ("identity-fp32", [1, 15], "FP32", "15"),
        ("identity-fp32", [16], "FP32", "INPUT0"),
        ("identity-fp32", [1, 16], "INT32", "INT32"),
    ],
)
def test_wrong_requests_are_named(http, grpc, service, shape, name, says):
    array = np.zeros(shape, np.int32 if name == "INT32" else np.float32)
    with pytest.raises(InferenceServerException, match=says):
        http_infer(http, service, name, array)
    with pytest.raises(InferenceServerException, match=says):
        grpc_infer(grpc, service, name, array)


def test_digits_agree_with_onnxruntime(http, models):
    import onnxruntime

    samples = json.loads((models / "digits_samples.json").read_text())
    x = np.array(samples["data"], np.float32)
    for service in ("digits", "digits_mlp", "digits_forest"):
        session = onnxruntime.InferenceSession(models / f"{service}.onnx", providers=["CPUExecutionProvider"])
        label, probabilities = session.run(["label", "probabilities"], {"X": x})
        given = httpclient.InferInput("X", list(x.shape), "FP32")
        given.set_data_from_numpy(x)
        answer = http.infer(service.replace("_", "-"), [given])
        np.testing.assert_array_equal(answer.as_numpy("label"), label)
        np.testing.assert_allclose(answer.as_numpy("probabilities"), probabilities, rtol=1e-5, atol=1e-7)


def test_gzip_bomb_is_refused_and_the_server_lives(host, http):
    bomb = gzip.compress(bytes(200 << 20), 9)
    connection = HTTPConnection(host.http, timeout=60)
    connection.request("POST", "/v2/models/identity-fp32/infer", bomb, {"content-encoding": "gzip"})
    assert connection.getresponse().status == 413
    assert http.is_server_live()



def test_bfloat16_both_ways(http, grpc):
    array = sample(np.float32).astype(ml_dtypes.bfloat16)
    answers = [http_infer(http, "identity-bf16", "BF16", array), grpc_infer(grpc, "identity-bf16", "BF16", array)]
    for answer in answers:
        np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "/v2/models/identity-fp32/infer", b"{", 400),
        ("POST", "/v2/models/identity-fp32/infer", b'{"inputs": []}', 400),
        ("POST", "/v2/models/nobody/infer", b"{}", 404),
        ("GET", "/v2/models/nobody/stats", b"", 404),
        ("GET", "/v2/models/identity-fp32/infer", b"", 405),
        ("GET", "/v2/systemsharedmemory/status", b"", 501),
    ],
)
def test_error_bodies_have_one_text(host, method, path, body, status):
    connection = HTTPConnection(host.http, timeout=60)
    connection.request(method, path, body)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    assert answer.status == status, document
    assert list(document) == ["error"] and isinstance(document["error"], str) and document["error"]


def test_statistics_are_complete(http):
    """Everything that perf_analyzer reads, of the right type."""
    http_infer(http, "identity-int16", "INT16", sample(np.int16))
    (row,) = http.get_inference_statistics("identity-int16")["model_stats"]
    assert row["name"] == "identity-int16" and isinstance(row["version"], str)
    assert all(isinstance(row[key], int) and row[key] > 0 for key in ("last_inference", "inference_count", "execution_count"))
    spans = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
    for span in spans:
        assert {type(row["inference_stats"][span][key]) for key in ("count", "ns")} == {int}, span
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    total = sum(row["inference_stats"][part]["ns"] for part in parts)
    assert 0 < total <= row["inference_stats"]["success"]["ns"]
    (alone,) = row["batch_stats"]
    assert alone["batch_size"] == 1 and alone["compute_infer"]["count"] == row["execution_count"]


def test_a_models_own_configuration_is_what_clients_see(host, http, grpc, tmp_path):
    """Two services of one model whose configuration waits for four requests: one run answers them."""
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "model.onnx").write_bytes((MODELS / "mobilenetv2.onnx").read_bytes())
    (folder / "config.pbtxt").write_text(
        'max_batch_size: 8 output { name: "logits" dims: 1000 }\n'
        "dynamic_batching { preferred_batch_size: 4 max_queue_delay_microseconds: 20000000 }"
    )
    settings = tmp_path / "deployment.json"
    settings.write_text('{"computeType": "local", "maxQueueWaitMs": 60000}')
    model = host.cli("model", "register", "--name", "batched", "--path", folder)
    for service in ("batched-a", "batched-b"):
        host.cli("deploy", "-n", service, "-m", model, "--dc", settings)
    config = grpc.get_model_config("batched-a").config
    assert (config.max_batch_size, list(config.input[0].dims), list(config.output[0].dims)) == (8, [3, -1, -1], [1000])
    assert list(config.dynamic_batching.preferred_batch_size) == [4]
    assert config.dynamic_batching.max_queue_delay_microseconds == 20000000
    over_http = http.get_model_config("batched-a")
    assert (over_http["max_batch_size"], over_http["dynamic_batching"]["preferred_batch_size"]) == (8, [4])
    picture = httpclient.InferInput("input", [1, 3, 32, 32], "FP32")
    picture.set_data_from_numpy(np.full((1, 3, 32, 32), 0.5, np.float32))
    clients = [httpclient.InferenceServerClient(host.http, concurrency=2) for _ in range(2)]
    pending = [clients[index % 2].async_infer(f"batched-{'ab'[index % 2]}", [picture]) for index in range(4)]
    for answer in pending:
        assert answer.get_result().as_numpy("logits").shape == (1, 1000)
    for service in ("batched-a", "batched-b"):
        row = grpc.get_inference_statistics(service).model_stats[0]
        assert (row.inference_count, row.execution_count) == (2, 1)
        assert [(batch.batch_size, batch.compute_infer.count) for batch in row.batch_stats] == [(4, 1)]


def test_a_rust_scorer_is_a_model_like_any_other(host, http, grpc, models, tmp_path):
    component = tmp_path / "identity.wasm"
    host.cli("scorer", "build", ROOT / "plugins" / "examples" / "identity-rust", "-o", component)
    model = host.cli("model", "register", "--name", "identity", "--path", models / "identity_fp32.onnx")
    host.cli("deploy", "-n", "through-rust", "-m", model, "--scorer", component)
    for rows in (1, 64):
        array = sample(np.float32, rows)
        for answer in (
            http_infer(http, "through-rust", "FP32", array),
            http_infer(http, "through-rust", "FP32", array, binary_in=False, binary_out=False),
            grpc_infer(grpc, "through-rust", "FP32", array),
        ):
            np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), array)
    assert http.get_model_metadata("through-rust")["inputs"][0]["name"] == "INPUT0"
    assert grpc.get_inference_statistics("through-rust").model_stats[0].inference_count == 6
