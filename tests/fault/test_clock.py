"""The machine's clock is set by hours while everything runs: sessions, tokens, servers, the queue and starts go on as if nothing had been, and
what is not used ends in its time and not at once, nor never. Kernel time goes on as it does; only what the platform and its servers read as wall
time is set (tests/simulated/clock.c). One turn of each in ./check, with CRATON_LONG both."""
import http.client
import json
import os
import signal
import time
from datetime import datetime

import pytest
from hub_client import Person, wait_for
from simulated import Client, Timed, simulated

IDLE_S = 40
HOUR = 3600
LONG = bool(os.environ.get("CRATON_LONG"))


@pytest.fixture
def platform():
    with simulated(12, 6, "--idle", str(IDLE_S), "--idle-warning", "5", period_s=4, kind=Timed) as p:
        p.began = time.monotonic()
        p.start_servers(p.names[:2])
        yield p


def running_names(platform):
    return {s["user"] for s in platform.ask(command="status")["servers"] if s["ready"]}


def use(platform, name):
    """As somebody who works: the server counts it, and says so at its next post."""
    c = http.client.HTTPConnection("127.0.0.1", platform.port + 1, timeout=30)
    c.request("GET", f"/user/{name}/simulated/use", headers={"Host": f"{name}.localhost:{platform.port + 1}"})
    assert c.getresponse().status == 200
    c.close()


def token_for(platform, name, life_s):
    status, text = platform.api("POST", f"/hub/api/users/{name}/tokens", json.dumps({"expires_in": life_s, "note": "clock"}))
    assert status == 201, text
    return json.loads(text)["token"]


def stays(platform, names, seconds):
    """They run, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert running_names(platform) >= names, platform.log.read_text()[-3000:]
        time.sleep(0.5)


@pytest.mark.parametrize("step_s", [5 * HOUR, -5 * HOUR] if LONG else [5 * HOUR])
def test_the_clock_is_set(platform, step_s):
    names = set(platform.names[:2])
    admin, day = platform.administrator_here(), token_for(platform, platform.names[0], 24 * HOUR)
    assert admin.get("/hub/admin").status == 200
    platform.set_clock(step_s)
    for name in names:
        use(platform, name)
    # Nothing ends at once: several rounds of whoever looks for idle servers go by.
    stays(platform, names, IDLE_S // 4)
    assert "the machine's clock was set" in platform.log.read_text()
    assert platform.log.read_text().count("server is stopped by rule") == 0
    assert admin.get("/hub/home").status == 200 and Client(platform, day).ask("GET", "/hub/api/user")[0] == 200
    # A start, and what is made now, lives by the new clock.
    platform.start_servers(platform.names[:3])
    short = token_for(platform, platform.names[1], 4)
    assert Client(platform, short).ask("GET", "/hub/api/user")[0] == 200
    wait_for(lambda: Client(platform, short).ask("GET", "/hub/api/user")[0] == 403, 30)
    # And what is not used ends in its time, not hours later.
    wait_for(lambda: not running_names(platform), 3 * IDLE_S + 60, 0.5)
    assert platform.log.read_text().count("why=idle") == 3
    platform.start_servers(platform.names[:1])


@pytest.mark.parametrize("step_s", [9 * HOUR, -9 * HOUR] if LONG else [-9 * HOUR])
def test_unused_servers_over_a_step(platform, step_s):
    """Nobody has used them for a third of the time: they have the rest left, neither nothing nor nine hours. What they say of their use is of the old
    clock."""
    names = set(platform.names[:2])
    stays(platform, names, IDLE_S // 3)
    platform.set_clock(step_s)
    stays(platform, names, IDLE_S // 4)
    wait_for(lambda: not running_names(platform), 3 * IDLE_S, 0.5)
    assert time.monotonic() - platform.began >= IDLE_S      # since they were started


def test_a_hub_that_starts_again_after_a_step():
    """What was moved in memory has been moved in the database, too: servers are as old as they are, and run on."""
    with simulated(12, 2, "--idle", "200", period_s=4, kind=Timed) as platform:
        platform.start_servers(platform.names[:2])
        platform.set_clock(7 * HOUR)
        wait_for(lambda: "the machine's clock was set" in platform.log.read_text(), 90)
        os.kill(platform.hub_pid(), signal.SIGKILL)
        wait_for(lambda: platform.log.read_text().count("hub is ready") >= 3, 60)
        platform.wait_ready()
        wait_for(lambda: running_names(platform) == set(platform.names[:2]), 60, 0.2)
        for name in platform.names[:2]:
            started = json.loads(platform.api("GET", f"/hub/api/users/{name}")[1])["servers"][""]["started"]
            age = platform.now() - datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()
            assert 0 <= age < HOUR, started
        answer = Person(platform)
        answer.jar["__Host-craton-login"] = platform.session
        assert answer.get("/hub/home").status == 200
