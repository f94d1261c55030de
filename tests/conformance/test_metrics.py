"""`/metrics` as Prometheus' own client library reads it, in both of its forms."""

import json
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format

TEXT, OPEN = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


def scrape(host, accept):
    request = urllib.request.Request(f"{host.url}/metrics", headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["content-type"], answer.read().decode()


def samples(host, name):
    """Samples whose names begin with `name`; to a counter's name without `_total`, such as Triton's, the reader adds it."""
    every = (sample for family in text_format(scrape(host, "text/plain")[1]) for sample in family.samples)
    return [sample for sample in every if sample.name.startswith(name)]


def value(host, sample, **labels):
    found = [s.value for s in samples(host, sample) if s.name == sample and labels.items() <= s.labels.items()]
    assert len(found) == 1, f"{sample}{labels}: {found}"
    return found[0]


def infer(host, service):
    tensor = {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.5] * 16}
    body = json.dumps({"inputs": [tensor]}).encode()
    urllib.request.urlopen(f"{host.url}/v2/models/{service}/infer", data=body, timeout=10).close()


def test_the_form_is_the_one_that_prometheus_asks_for(host):
    assert scrape(host, ACCEPT)[0].startswith(OPEN)
    assert scrape(host, "text/plain;version=0.0.4")[0].startswith(TEXT)


def test_both_forms_hold_the_same_samples(host):
    infer(host, "identity-fp32")
    text = {family.name: family.type for family in text_format(scrape(host, "text/plain")[1])}
    opened = {family.name: family.type for family in open_metrics(scrape(host, OPEN)[1])}
    assert text.keys() == opened.keys()
    foreign = {name for name in text if text[name] != opened[name]}
    assert foreign and all(name.startswith("nv_") and opened[name] == "unknown" for name in foreign)
    assert all(family.documentation for family in open_metrics(scrape(host, OPEN)[1]))


def test_a_request_is_counted_once_under_every_name(host):
    labels = {"service": "identity-fp32", "version": "1"}

    def counts():
        return (
            value(host, "scorehost_requests_total", outcome="ok", **labels),
            value(host, "scorehost_request_duration_seconds_count", **labels),
            value(host, "scorehost_request_duration_seconds_bucket", le="+Inf", **labels),
            value(host, "nv_inference_request_success_total", model=labels["service"], version="1"),
        )

    infer(host, "identity-fp32")
    before = counts()
    for _ in range(3):
        infer(host, "identity-fp32")
    assert [after - then for after, then in zip(counts(), before)] == [3, 3, 3, 3]


def test_histograms_are_cumulative(host):
    infer(host, "identity-fp32")
    for name in ("scorehost_request_duration_seconds", "scorehost_queue_wait_seconds"):
        own = [s for s in samples(host, name) if s.labels["service"] == "identity-fp32"]
        buckets = [(float(s.labels["le"]), s.value) for s in own if s.name.endswith("_bucket")]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
        assert buckets[-1][1] == next(s.value for s in own if s.name.endswith("_count"))


def test_the_process_is_there_under_the_usual_names(host):
    assert value(host, "process_resident_memory_bytes") > 1e6
    assert value(host, "process_open_fds") > 5
    assert samples(host, "scorehost_build_info")[0].labels["version"]
