"""Keys and management credentials as the stock clients send them: in headers over REST, in metadata over gRPC."""

import json
import subprocess
import urllib.error
import urllib.request

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from arrays import sample
from conftest import BINARY
from tritonclient.utils import InferenceServerException


@pytest.fixture(scope="module")
def keyed(host, models):
    """A service that asks for a key, and its keys."""
    model = host.cli("model", "register", "--name", "keyed", "--path", models / "identity_fp32.onnx")
    command = [str(BINARY), "--server", host.url, "deploy", "-n", "keyed", "-m", model]
    subprocess.run(command, check=True, env=host.environment, capture_output=True)
    return json.loads(host.cli("--output", "json", "service", "keys", "keyed"))


def infer(module, client, key):
    array = sample(np.float32)
    given = module.InferInput("INPUT0", list(array.shape), "FP32")
    given.set_data_from_numpy(array)
    headers = {"authorization": f"Bearer {key}"} if key else None
    np.testing.assert_array_equal(client.infer("keyed", [given], headers=headers).as_numpy("OUTPUT0"), array)


@pytest.mark.parametrize("which", ["primaryKey", "secondaryKey"])
def test_both_keys_open_both_doors(host, keyed, which):
    with httpclient.InferenceServerClient(host.http) as client:
        infer(httpclient, client, keyed[which])
    with grpcclient.InferenceServerClient(host.grpc) as client:
        infer(grpcclient, client, keyed[which])


@pytest.mark.parametrize("key", [None, "wrong"])
def test_without_the_key_the_clients_say_what_is_missing(host, keyed, key):
    with httpclient.InferenceServerClient(host.http) as client:
        with pytest.raises(InferenceServerException, match="scorehost service keys keyed") as refused:
            infer(httpclient, client, key)
        assert refused.value.status() == "401"
        assert client.is_model_ready("keyed"), "probes have no credential"
        with pytest.raises(InferenceServerException, match="key"):
            client.get_model_metadata("keyed")
    with grpcclient.InferenceServerClient(host.grpc) as client:
        with pytest.raises(InferenceServerException) as refused:
            infer(grpcclient, client, key)
        assert refused.value.status() == "StatusCode.UNAUTHENTICATED"


def test_a_stream_is_refused_request_by_request(host, keyed):
    answers = []
    array = sample(np.float32)
    given = grpcclient.InferInput("INPUT0", list(array.shape), "FP32")
    given.set_data_from_numpy(array)
    with grpcclient.InferenceServerClient(host.grpc) as client:
        client.start_stream(callback=lambda result, error: answers.append((result, error)))
        client.async_stream_infer("keyed", [given])
        client.async_stream_infer("identity-fp32", [given])
        client.stop_stream()
    (_, refused), (result, error) = answers
    assert "needs a key" in str(refused)
    assert error is None
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), array)


def test_the_scoring_door_answers_as_azure_does(host, keyed):
    url = f"{host.url}/api/v1/service/keyed/score"
    body = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [0, 16], "data": []}]}).encode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, body), timeout=10)
    assert refused.value.code == 401
    assert refused.value.headers["WWW-Authenticate"] == "Bearer"
    assert "needs a key" in json.loads(refused.value.read())["message"]
    headers = {"Authorization": f"Bearer {keyed['primaryKey']}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        assert answer.status == 200
