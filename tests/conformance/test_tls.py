"""The stock `tritonclient` over TLS: HTTP and gRPC, with the certificate of `--tls-self-signed`, also while it is renewed."""

import os
import signal
import ssl
import subprocess
import time
import urllib.request

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from conftest import BINARY, MODELS, free_port
from tritonclient.utils import InferenceServerException


class SecureHost:
    """A server behind TLS with one open service."""

    def __init__(self, scratch):
        self.http, self.grpc = f"localhost:{free_port()}", f"localhost:{free_port()}"
        self.certificate = scratch / "data" / "tls" / "self-signed-cert.pem"
        self.environment = {**os.environ, "HOME": str(scratch), "SCOREHOST_CA": str(self.certificate)}
        doors = [self.http.replace("localhost", "127.0.0.1"), self.grpc.replace("localhost", "127.0.0.1")]
        command = [BINARY, "serve", "--tls-self-signed", "--data-dir", scratch / "data", "--http", doors[0], "--grpc", doors[1]]
        self.log = scratch / "host.log"
        with self.log.open("w") as output:
            self.child = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, env=self.environment)
        self.wait_until_ready()
        model = self.cli("model", "register", "--name", "add-sub", "--path", MODELS / "add_sub.onnx")
        self.cli("deploy", "-n", "add-sub", "-m", model, "--no-auth")

    def context(self):
        return ssl.create_default_context(cafile=str(self.certificate))

    def wait_until_ready(self):
        for _ in range(600):
            if self.child.poll() is not None:
                break
            try:
                url = f"https://{self.http}/v2/health/ready"
                with urllib.request.urlopen(url, timeout=2, context=self.context()) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"scorehost did not become ready:\n{self.log.read_text()[-4000:]}")

    def cli(self, *arguments):
        command = [str(part) for part in (BINARY, "--server", f"https://{self.http}", *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(30)


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    host = SecureHost(tmp_path_factory.mktemp("secure"))
    yield host
    assert host.stop() == 0, host.log.read_text()[-4000:]


def inputs(module):
    """The sum and the difference of these are what the model answers."""
    values = [np.arange(16, dtype=np.float32).reshape(1, 16), np.ones((1, 16), dtype=np.float32)]
    given = [module.InferInput(f"INPUT{index}", [1, 16], "FP32") for index in range(2)]
    for tensor, value in zip(given, values):
        tensor.set_data_from_numpy(value)
    return given, values


def check(answer, values):
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), values[0] + values[1])
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), values[0] - values[1])


def test_http(secure):
    with httpclient.InferenceServerClient(secure.http, ssl=True, ssl_context_factory=secure.context) as client:
        given, values = inputs(httpclient)
        for _ in range(3):
            check(client.infer("add-sub", given), values)


def test_grpc_unary_and_stream(secure):
    with grpcclient.InferenceServerClient(secure.grpc, ssl=True, root_certificates=str(secure.certificate)) as client:
        assert client.is_server_ready()
        given, values = inputs(grpcclient)
        check(client.infer("add-sub", given), values)
        answers = []
        client.start_stream(lambda result, error: answers.append((result, error)))
        for _ in range(5):
            client.async_stream_infer("add-sub", given)
        client.stop_stream()
        assert len(answers) == 5
        for result, error in answers:
            assert error is None
            check(result, values)


def test_an_insecure_channel_is_refused(secure):
    with grpcclient.InferenceServerClient(secure.grpc) as client:
        with pytest.raises(InferenceServerException):
            client.is_server_ready(client_timeout=5)


def test_hangup_keeps_connections(secure):
    """Renewing programs send SIGHUP; the connection goes on."""
    with grpcclient.InferenceServerClient(secure.grpc, ssl=True, root_certificates=str(secure.certificate)) as client:
        given, values = inputs(grpcclient)
        check(client.infer("add-sub", given), values)
        secure.child.send_signal(signal.SIGHUP)
        check(client.infer("add-sub", given), values)
