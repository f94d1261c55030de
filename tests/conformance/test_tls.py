"""The stock `tritonclient` over TLS: HTTP and gRPC, with the certificate of `--tls-self-signed`, also while it is renewed."""

import os
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from http.client import HTTPSConnection

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from conftest import BINARY, MODELS, free_port
from tritonclient.utils import InferenceServerException


class SecureHost:
    """A server behind TLS with one open service."""

    def __init__(self, scratch, certificate=("--tls-self-signed",), trusted=None):
        self.http, self.grpc = f"localhost:{free_port()}", f"localhost:{free_port()}"
        self.certificate = trusted or scratch / "data" / "tls" / "self-signed-cert.pem"
        self.environment = {**os.environ, "HOME": str(scratch), "SCOREHOST_CA": str(self.certificate)}
        doors = [self.http.replace("localhost", "127.0.0.1"), self.grpc.replace("localhost", "127.0.0.1")]
        command = [BINARY, "serve", *certificate, "--data-dir", scratch / "data", "--http", doors[0], "--grpc", doors[1]]
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


class Callers(threading.Thread):
    """Asks without a pause, every tenth time over a new connection, until it is told to stop."""

    def __init__(self, host, context):
        super().__init__()
        self.host, self.context, self.over, self.answers, self.failures = host, context, False, 0, []

    def run(self):
        connection = None
        while not self.over:
            try:
                if self.answers % 10 == 0:
                    connection = HTTPSConnection(self.host, timeout=30, context=self.context)
                connection.request("GET", "/v2/models/add-sub/ready")
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200, body
                self.answers += 1
            except Exception as error:  # Every one of them is a failed request.
                self.failures.append(repr(error))
                return


def test_a_certificate_is_replaced_under_load_without_a_failed_request(secure, tmp_path):
    (tmp_path / "other").mkdir()
    other = SecureHost(tmp_path / "other")
    pairs = [host.certificate.parent for host in (secure, other)]
    certificates = [(pair / "self-signed-cert.pem").read_text() for pair in pairs]
    keys = [(pair / "self-signed-key.pem").read_text() for pair in pairs]
    assert other.stop() == 0
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(certificates[0])
    key.write_text(keys[0])
    arguments = ["--tls-cert", str(chain), "--tls-key", str(key)]
    (tmp_path / "renewed").mkdir()
    host = SecureHost(tmp_path / "renewed", arguments, pairs[0] / "self-signed-cert.pem")
    # Both certificates have one name, which OpenSSL cannot tell apart among the trusted; the handshake proves the key anyway.
    unnamed = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unnamed.check_hostname, unnamed.verify_mode = False, ssl.CERT_NONE
    callers = [Callers(host.http, unnamed) for _ in range(4)]
    for caller in callers:
        caller.start()
    address = ("localhost", int(host.http.split(":")[1]))
    for round in range(1, 7):
        # One file after the other: for a moment they do not belong together.
        chain.write_text(certificates[round % 2])
        key.write_text(keys[round % 2])
        if round % 2:
            host.child.send_signal(signal.SIGHUP)
        served = lambda: ssl.get_server_certificate(address).strip() == certificates[round % 2].strip()
        assert any(served() or time.sleep(0.05) for _ in range(400)), f"round {round}: the former certificate is served on"
    for caller in callers:
        caller.over = True
    for caller in callers:
        caller.join()
    assert [caller.failures for caller in callers] == [[]] * 4
    assert all(caller.answers for caller in callers)
    assert host.stop() == 0
