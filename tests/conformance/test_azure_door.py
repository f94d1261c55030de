"""The same entry scripts in Azure ML's own inference server and here: status codes, headers and bodies side by side.

`AZMLINFSRV` is the path of the reference server's executable (default `.venv-azure/bin/azmlinfsrv`, made of
`tests/requirements-azure.txt`). Where it is missing the tests are skipped with the reason, unless `REQUIRE_AZMLINFSRV` is set.
"""

import json
import os
import re
import subprocess
import time
import urllib.parse
from http.client import HTTPConnection
from pathlib import Path

import pytest
from conftest import BINARY, ROOT, free_port

REFERENCE = Path(os.environ.get("AZMLINFSRV", ROOT / ".venv-azure" / "bin" / "azmlinfsrv"))
SCRIPTS = Path(__file__).with_name("azure")

# Headers that both servers decide; `x-request-id` and the time are made anew for each request.
COMPARED = ("content-type", "x-ms-client-request-id", "traceid")


class Doors:
    """One entry script behind both servers."""

    def __init__(self, reference: str, host: str, service: str):
        self.reference, self.host, self.service = reference, host, service

    def both(self, method="POST", query="", body=b"", headers=None):
        """The answers of the reference and of scorehost."""
        suffix = f"?{query}" if query else ""
        headers = headers or {"content-type": "application/json"}
        one = exchange(self.reference, method, f"/score{suffix}", body, headers)
        other = exchange(self.host, method, f"/api/v1/service/{self.service}/score{suffix}", body, headers)
        return one, other


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    def json(self):
        return json.loads(self.body)


def exchange(address, method, path, body, headers) -> Answer:
    connection = HTTPConnection(address, timeout=60)
    try:
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def start_reference(script: Path, log: Path) -> tuple[subprocess.Popen, str]:
    port, health = free_port(), free_port()
    command = [REFERENCE, "--entry_script", script, "--port", port, "--health_port", health, "--worker_count", 1]
    with log.open("w") as output:
        child = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, cwd=script.parent)
    address = f"127.0.0.1:{port}"
    for _ in range(600):
        try:
            if child.poll() is None and exchange(address, "GET", "/", b"", {}).status == 200:
                return child, address
        except OSError:
            time.sleep(0.05)
    child.kill()
    raise AssertionError(f"azmlinfsrv did not start:\n{log.read_text()[-4000:]}")


def doors(host, scratch: Path, kind: str):
    if not REFERENCE.exists():
        reason = f"{REFERENCE} is missing; it comes from tests/requirements-azure.txt"
        assert "REQUIRE_AZMLINFSRV" not in os.environ, reason
        pytest.skip(reason)
    component = scratch / f"{kind}.wasm"
    build = [str(part) for part in (BINARY, "scorer", "build", SCRIPTS / kind, "-o", component)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    host.cli("deploy", "-n", f"azure-{kind}", "--scorer", component)
    child, address = start_reference(SCRIPTS / kind / "score.py", scratch / f"{kind}.log")
    yield Doors(address, host.http, f"azure-{kind}")
    child.terminate()
    child.wait(30)


@pytest.fixture(scope="module")
def text(host, tmp_path_factory):
    yield from doors(host, tmp_path_factory.mktemp("azure"), "text")


@pytest.fixture(scope="module")
def raw(host, tmp_path_factory):
    yield from doors(host, tmp_path_factory.mktemp("azure"), "raw")


def same(one: Answer, other: Answer) -> None:
    assert other.status == one.status, other.body
    for name in COMPARED:
        assert other.headers.get(name) == one.headers.get(name), name
    assert other.headers["x-ms-run-function-failed"] == one.headers["x-ms-run-function-failed"]
    for answer in (one, other):
        assert re.fullmatch(r"\d+\.\d{3}", answer.headers["x-ms-run-fn-exec-ms"])


@pytest.mark.parametrize("wanted", ["text", "list", "none", "dict"])
def test_what_run_returns(text, wanted):
    one, other = text.both(body=json.dumps({"return": wanted, "ü": 1}).encode())
    same(one, other)
    assert other.json() == one.json()


def test_a_body_that_is_no_json_reaches_the_script_as_text(text):
    one, other = text.both(body="no JSON: ü".encode(), headers={"content-type": "text/plain"})
    same(one, other)
    assert other.json() == one.json() == {"text": "no JSON: ü"}


@pytest.mark.parametrize(
    "query",
    ["a=1&b=[1,2]&c=a&d=null", "foo=bar1&foo=2&x=y", "text=Gr%C3%BC%C3%9Fe+hier&empty=", "o=%7B%22k%22%3A1.5%7D", ""],
)
def test_query_values_are_json_and_repeated_keys_are_lists(text, query):
    one, other = text.both("GET", urllib.parse.quote(query, safe="=&%+"), headers={"accept": "*/*"})
    same(one, other)
    assert other.json() == one.json()


def test_a_body_that_is_not_utf8_is_400(text):
    one, other = text.both(body=b"\xff\xfe{")
    assert one.status == other.status == 400
    assert set(one.json()) == set(other.json()) == {"message"}
    assert other.headers["content-type"] == one.headers["content-type"]


def test_an_exception_is_500_inside_the_container_and_502_at_the_router(text):
    one, other = text.both(body=b'{"return": "raise"}')
    assert (one.status, other.status) == (500, 502)
    assert other.headers["x-ms-run-function-failed"] == one.headers["x-ms-run-function-failed"] == "True"
    assert set(one.json()) == set(other.json()) == {"message"}
    assert "asked for" not in other.json()["message"], "the cause is for the log"
    same(*text.both(body=b"{}"))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_405(text, method):
    one, other = text.both(method, body=b"{}")
    assert one.status == other.status == 405


def test_options_is_200(text):
    one, other = text.both("OPTIONS")
    assert one.status == other.status == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"x-request-id": "r" * 100},
        {"x-ms-request-id": "m"},
        {"x-ms-client-request-id": "c"},
        {"x-ms-request-id": "m", "x-ms-client-request-id": "c", "x-request-id": "r"},
        {"x-request-id": "r", "TraceId": "t-1"},
    ],
    ids=lambda sent: "+".join(sent) or "none",
)
def test_ids_come_back(text, sent):
    one, other = text.both(body=b"{}", headers={"content-type": "application/json", **sent})
    same(one, other)
    for name in ("x-request-id", "x-ms-request-id"):
        # An id that neither request gave is made by each server.
        made = name == "x-request-id" or not {"x-ms-request-id", "x-ms-client-request-id"} & set(sent)
        if made and "x-request-id" not in sent:
            assert one.headers[name] and other.headers[name]
            assert one.headers["x-request-id"] != other.headers["x-request-id"]
        else:
            assert other.headers[name] == one.headers[name], name


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"])
def test_ids_of_more_than_100_characters_are_431(text, name):
    one, other = text.both(body=b"{}", headers={name: "x" * 101})
    assert one.status == other.status == 431
    assert name in one.json()["message"] and name in other.json()["message"]


@pytest.mark.parametrize("status", [200, 201, 404, 418, 429, 500, 503])
def test_a_response_of_the_script_passes_through(raw, status):
    one, other = raw.both(query=f"status={status}", body=b"\x00\xffbytes", headers={"content-type": "image/x"})
    same(one, other)
    assert other.body == one.body == b"\x00\xffbytes"
    assert other.headers["x-method"] == one.headers["x-method"] == "POST"


MULTIPART = b"".join([
    b"a preamble that nobody reads\r\n",
    b'--x-1\r\nContent-Disposition: form-data; name="b"\r\n\r\n\xc3\xa9 \r\n--x-1\r\n',
    b'content-disposition: form-data; name="b"\r\n\r\n2\r\n--x-1\r\n',
    b'Content-Disposition: form-data; name="n"\r\nContent-Type: text/plain\r\n\r\nnone\r\n--x-1\r\n',
    b'Content-Disposition: form-data; name="f"; filename="a; b.bin"\r\nContent-Type: image/png; q=1\r\n\r\n\x00\r\n--x-\xff\r\n--x-1\r\n',
    b"Content-Disposition: form-data; name=\"f\"; filename*=UTF-8''%C3%BC.txt\r\n\r\n\r\n--x-1--\r\nan epilogue",
])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=x+y%20%C3%A9&b=2&empty=&n=12"),
        ("application/x-www-form-urlencoded; charset=utf-8", b""),
        ("multipart/form-data; boundary=x-1", MULTIPART),
        ('Multipart/Form-Data; charset=utf-8; boundary="x-1"', MULTIPART),
        ("application/json", b'{"a": 1}'),
    ],
)
def test_raw_scripts_read_forms_and_files(raw, kind, body):
    one, other = raw.both(query="form=1&b=9", body=body, headers={"content-type": kind})
    assert (one.status, one.json()) == (other.status, other.json())
    assert other.status == 200


def test_a_form_that_is_cut_off_is_the_callers_mistake(raw):
    """The reference takes it for an empty form; a caller who lost half of its files should hear of it."""
    _, other = raw.both(query="form=1", body=MULTIPART[:-40], headers={"content-type": "multipart/form-data; boundary=x-1"})
    assert other.status == 400 and "closing boundary" in other.json()["message"]


def test_raw_scripts_see_get_and_options(raw):
    for method in ("GET", "OPTIONS"):
        one, other = raw.both(method)
        same(one, other)
        assert other.headers["x-method"] == one.headers["x-method"] == method
