"""Collected data in object stores: the emulators that users of S3 and of Azure Blob test against.

moto is below `STORES` (default `.venv-stores`, made of `tests/requirements-stores.txt`); where it is missing its test is skipped with the
reason, unless `REQUIRE_STORES` is set. Azurite, which is large, is tried where `AZURITE` names its `azurite-blob`. No emulator of Google Cloud
Storage in the package index answers the client as the service does: gcp-storage-emulator leaves out the ETag, fake-gcs-server refuses the PUT.
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import numpy
import pandas
import pytest
from conftest import ROOT, Host, free_port
from test_collection import infer

BIN = Path(os.environ.get("STORES", ROOT / ".venv-stores")) / "bin"


@dataclass
class Store:
    """An emulator that runs, the URL of a place in it, and the variables by which a host finds it."""

    child: subprocess.Popen
    url: str
    variables: dict[str, str]
    read: callable

    def objects(self) -> dict[str, bytes]:
        """Names below the prefix, with their content."""
        return self.read()


def call(method: str, url: str, headers: dict | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, None, headers or {}, method=method), timeout=10) as answer:
        return answer.read()


def program(path: Path) -> Path:
    if not path.exists():
        reason = f"{path} is missing; it comes from tests/requirements-stores.txt"
        assert "REQUIRE_STORES" not in os.environ, reason
        pytest.skip(reason)
    return path


def started(command: list, url: str, log: Path) -> subprocess.Popen:
    with log.open("w") as output:
        child = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, cwd=log.parent)
    for _ in range(600):
        try:
            call("GET", url)
            return child
        except urllib.error.HTTPError:
            return child
        except OSError:
            assert child.poll() is None, log.read_text()[-2000:]
            time.sleep(0.05)
    child.kill()
    raise AssertionError(f"{command[0]} did not start: {log.read_text()[-2000:]}")


def s3(folder: Path) -> Store:
    endpoint = f"http://127.0.0.1:{free_port()}"
    command = [program(BIN / "moto_server"), "--host", "127.0.0.1", "--port", endpoint.rpartition(":")[2]]
    child = started(command, endpoint, folder / "store.log")
    call("PUT", f"{endpoint}/data")

    def read():
        listed = xml.fromstring(call("GET", f"{endpoint}/data?list-type=2&prefix=from/here/"))
        names = [key.text for key in listed.iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key")]
        # Objects are private; the emulator looks whether somebody signs, and not how.
        signs = {"authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"}
        return {name: call("GET", f"{endpoint}/data/{name}", signs) for name in names}

    variables = {"AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    variables |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    return Store(child, "s3://data/from/here", variables, read)


def az(folder: Path) -> Store:
    if "AZURITE" not in os.environ:
        pytest.skip("AZURITE names no program; `npm install azurite` brings azurite-blob")
    endpoint = f"http://127.0.0.1:{free_port()}"
    options = ["--blobHost", "127.0.0.1", "--blobPort", endpoint.rpartition(":")[2], "--location", folder / "azurite"]
    child = started([os.environ["AZURITE"], "--skipApiVersionCheck", *options], endpoint, folder / "store.log")
    # The account and key that are in every copy of the emulator.
    account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    sent = {"x-ms-blob-public-access": "container", "x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "".join(f"{name}:{value}\n" for name, value in sent.items())
    signed = f"PUT{chr(10) * 12}{named}/{account}/{account}/data\nrestype:container"
    mac = base64.b64encode(hmac.digest(base64.b64decode(key), signed.encode(), hashlib.sha256)).decode()
    call("PUT", f"{endpoint}/{account}/data?restype=container", sent | {"authorization": f"SharedKey {account}:{mac}"})

    def read():
        listed = xml.fromstring(call("GET", f"{endpoint}/{account}/data?restype=container&comp=list&prefix=from/here/"))
        return {name.text: call("GET", f"{endpoint}/{account}/data/{name.text}") for name in listed.findall(".//Blob/Name")}

    variables = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": endpoint}
    return Store(child, "az://data/from/here", variables, read)


@pytest.fixture(params=[s3, az], ids=lambda start: start.__name__)
def store(request, tmp_path):
    store = request.param(tmp_path)
    yield store
    store.child.kill()
    store.child.wait()


def when(store: Store, wanted) -> dict[str, bytes]:
    for _ in range(600):
        objects = store.objects()
        if wanted(objects):
            return objects
        time.sleep(0.05)
    raise AssertionError(f"the objects never came: {sorted(store.objects())}")


def test_files_arrive_in_the_store_and_read_back_as_they_were_scored(store, models, tmp_path):
    arguments = ("--collect-to", store.url, "--collect-interval", "1")
    host = Host(tmp_path / "data", tmp_path / "host.log", arguments, store.variables)
    try:
        file = tmp_path / "dc.json"
        file.write_text(json.dumps({"computeType": "local", "scorehost": {"collection": {"custom": False}}}))
        model = host.cli("model", "register", "--name", "kept", "--path", models / "identity_fp32.onnx")
        host.cli("deploy", "-n", "kept", "-m", model, "--dc", file)
        rows = numpy.random.default_rng(3).standard_normal((4, 16)).astype(numpy.float32)
        infer(host, "kept", "first", rows)
        objects = when(store, lambda objects: len(objects) == 2)
        assert all(name.startswith("from/here/modeldata/kept/kept/1/") for name in objects)
        for name, content in objects.items():
            tensor = "INPUT0" if "/inputs/" in name else "OUTPUT0"
            (tmp_path / "read.csv").write_bytes(content)
            frame = pandas.read_csv(tmp_path / "read.csv")
            features = frame[[f"{tensor}_{index}" for index in range(16)]].to_numpy().astype(numpy.float32)
            assert (features == rows).all(), name
        assert "scorehost_collected_uploads_total{result=\"sent\"} 2" in call("GET", f"{host.url}/metrics").decode()
    finally:
        host.child.kill()
        host.child.wait()


def test_a_store_that_refuses_costs_counts_and_the_files_stay(tmp_path, models):
    """Nobody listens there: scoring goes on, the attempt is counted, and what waits is on disk."""
    variables = {"AWS_ENDPOINT": f"http://127.0.0.1:{free_port()}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}
    variables |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    arguments = ("--collect-to", "s3://data/x", "--collect-interval", "1")
    host = Host(tmp_path / "data", tmp_path / "host.log", arguments, variables)
    try:
        file = tmp_path / "dc.json"
        file.write_text(json.dumps({"computeType": "local", "scorehost": {"collection": {}}}))
        model = host.cli("model", "register", "--name", "kept", "--path", models / "identity_fp32.onnx")
        host.cli("deploy", "-n", "kept", "-m", model, "--dc", file)
        infer(host, "kept", "first", numpy.zeros((1, 16), numpy.float32))
        waiting = "scorehost_collected_uploads_waiting 2"
        metrics = ""
        for _ in range(600):
            metrics = call("GET", f"{host.url}/metrics").decode()
            if waiting in metrics:
                break
            time.sleep(0.05)
        assert waiting in metrics, [line for line in metrics.splitlines() if "upload" in line]
        infer(host, "kept", "second", numpy.zeros((1, 16), numpy.float32))
        assert list((tmp_path / "data" / "collected").rglob("data*.csv"))
    finally:
        host.child.kill()
        host.child.wait()
