"""GET /hub/metrics: read with Prometheus' own parser, and held against what the real JupyterHub registers."""
import json

import pytest
from hub_client import PASSWORD, Person, request
from prometheus_client.parser import text_string_to_metric_families
from test_session import start, stop


SPAWN = "jupyterhub_server_spawn_duration_seconds"


def token(person, **fields):
    return person.api("POST", f"/hub/api/users/{person.name}/tokens", fields or {"note": "scrape"}).json()["token"]


def scrape(platform, key):
    answer = request("GET", platform.hub + "/hub/metrics", headers={"Authorization": f"token {key}"})
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families, name, suffix="", **labels):
    samples = families[name].samples if name in families else []
    return sum(s.value for s in samples if s.name == name + suffix and labels.items() <= s.labels.items())


@pytest.fixture
def key(admin):
    admin.name = "root1"
    return token(admin, note="scrape", scopes=["read:metrics"])


def test_what_is_counted(platform, admin, key):
    before = scrape(platform, key)
    person = platform.add_person(admin, "counted")
    person.name = "counted"
    assert Person(platform).sign_in("counted", "wrong " + PASSWORD).status == 403
    assert Person(platform).sign_in("counted").status == 303
    start(person)
    running = scrape(platform, key)
    assert value(running, "jupyterhub_running_servers") == value(before, "jupyterhub_running_servers") + 1
    assert value(running, "jupyterhub_total_users") == value(before, "jupyterhub_total_users") + 1
    assert value(running, "craton_servers", state="ready") == value(running, "jupyterhub_running_servers")
    assert value(running, SPAWN, "_count", status="success") == value(before, SPAWN, "_count", status="success") + 1
    took = value(running, SPAWN, "_sum", status="success") - value(before, SPAWN, "_sum", status="success")      # of this start alone
    assert 0.1 < took < 600
    assert value(running, "craton_sign_ins", "_total", outcome="wrong") >= 1
    assert value(running, "jupyterhub_request_duration_seconds", "_count", method="POST", handler="/hub/login", code="403") >= 1
    assert value(running, "craton_proxy_connected") == 1
    assert value(running, "craton_reserved_bytes") > 0
    assert value(running, "process_resident_memory_bytes") > 1 << 20
    assert 0 < value(running, "process_open_fds") < value(running, "process_max_fds")
    assert value(running, "process_cpu_seconds", "_total") > value(before, "process_cpu_seconds", "_total")
    assert value(running, "craton_dask_workers") == 0
    stop(person)
    assert value(scrape(platform, key), "craton_server_stops", "_total", reason="requested") >= 1


def test_nobody_is_named(platform, admin, key):
    person = platform.add_person(admin, "secretive")
    person.name = "secretive"
    assert person.get("/hub/api/users/secretive").status == 200
    assert person.get("/hub/user/secretive/lab").status in (200, 302, 303, 424)
    text = request("GET", platform.hub + "/hub/metrics", headers={"Authorization": f"token {key}"}).text
    assert "secretive" not in text
    assert 'handler="/hub/api/users/:name"' in text


def test_who_may_ask(platform, admin, person):
    assert request("GET", platform.hub + "/hub/metrics").status == 403
    refused = person.get("/hub/metrics")
    assert refused.status == 403 and "read:metrics" in json.loads(refused.text)["message"]
    assert admin.get("/hub/metrics").status == 200


def test_histograms_are_whole(platform, admin, key):
    for family in scrape(platform, key).values():
        if family.type != "histogram":
            continue
        series = {}
        for s in family.samples:
            series.setdefault(tuple(sorted((k, v) for k, v in s.labels.items() if k != "le")), []).append(s)
        for samples in series.values():
            buckets = [s.value for s in samples if s.name.endswith("_bucket")]
            assert buckets == sorted(buckets)
            assert buckets[-1] == [s.value for s in samples if s.name.endswith("_count")][0]


def test_same_as_jupyterhub(platform, admin, key):
    """Names, types, labels and bounds, so that dashboards made for JupyterHub go on working."""
    metrics = pytest.importorskip("jupyterhub.metrics")
    theirs = {m._name: m for m in vars(metrics).values() if hasattr(m, "_labelnames")}
    ours = {name: f for name, f in scrape(platform, key).items() if name.startswith("jupyterhub_")}
    assert len(ours) >= 5
    for name, family in ours.items():
        assert name in theirs, name
        real = theirs[name]
        assert family.type == real._type, name
        sample = family.samples[0]
        assert set(sample.labels) - {"le"} == set(real._labelnames), name
        if family.type == "histogram":
            first = {k: v for k, v in sample.labels.items() if k != "le"}
            bounds = [float(s.labels["le"]) for s in family.samples if "le" in s.labels and first.items() <= s.labels.items()]
            assert bounds == list(real._kwargs.get("buckets", real.DEFAULT_BUCKETS)), name
