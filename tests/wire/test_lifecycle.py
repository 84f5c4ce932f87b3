"""What ends servers that are not used, or too old: the real jupyterhub-singleuser, kernels, terminals and a Dask cluster beside each other."""
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import websocket
from hub_client import request, running, wait_for
from test_session import Lab, server, start

IDLE, KEEP = 12, 600


def home(person):
    return re.sub(r"\s+", " ", person.get("/hub/home").text)


def keep(person):
    assert person.post("/hub/keep", {}, "/hub/home").status == 303


def compute(person):
    lab = Lab(person)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    lab.run(kernel, "import time")
    silently(lab, kernel)


def work_in_a_terminal(person):
    lab = Lab(person)
    assert lab.open().status == 200
    type_in(lab, lab.api("POST", "terminals").json()["name"], "while sleep 1; do date; done\r")


def have_a_cluster(person):
    token = person.api("POST", f"/hub/api/users/{person.name}/tokens", {"note": "gateway"}).json()["token"]
    made = request("POST", f"http://127.0.0.1:{person.platform.port + 2}/services/dask-gateway/api/v1/clusters/", json.dumps({"cluster_options": {}}),
                   {"Authorization": f"jupyterhub {token}", "Content-Type": "application/json"}, timeout=90)
    assert made.status == 201, made.text


USES = {"kept": keep, "busy": compute, "shell": work_in_a_terminal, "dask": have_a_cluster}


@pytest.fixture(scope="module")
def room():
    """Each is used as soon as its server is there, and the one that is not used comes last: on a slow machine the first would be too old when all are there."""
    with running("--idle", str(IDLE), "--idle-warning", "6", "--idle-keep", str(KEEP), prepared=True) as p:
        admin, people = p.administrator(), {}
        for name in ("unused", *USES):
            people[name] = p.add_person(admin, name)
            people[name].name = name

        def begin(name):
            start(people[name])
            USES[name](people[name])
        with ThreadPoolExecutor(len(USES)) as pool:
            list(pool.map(begin, USES))
        start(people["unused"])
        yield p, *people.values()


def test_who_is_stopped_and_who_is_not(room):
    platform, unused, kept, busy, shell, dask = room
    began = time.monotonic()
    # Told before, and stopped.
    page = wait_for(lambda: (p := home(unused)) and ("It will be stopped in" in p or not server(unused)) and p, 90)
    assert "It will be stopped in" in page and "it was not used for long" in page and "Keep for 10 minutes" in page
    wait_for(lambda: not server(unused), 90)
    assert f"It was not used for {IDLE} seconds: no kernel computed" in home(unused)
    time.sleep(max(0, began + IDLE + 6 - time.monotonic()))
    # None of the others was touched since, by anybody.
    for person in (kept, busy, shell, dask):
        assert server(person).get("ready"), (person.name, home(person))
    assert re.search(r"It is kept for (10|[5-9]) minutes, used or not", home(kept))


def silently(lab, kernel):
    """A cell that neither ends nor prints; whoever started it goes."""
    ws = lab.connect(kernel)
    header = {"msg_id": "m1", "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
    ws.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "content": {
        "code": "time.sleep(600)", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}}))
    while json.loads(ws.recv()).get("content", {}).get("execution_state") != "busy":
        pass
    ws.close()


def type_in(lab, name, text):
    cookies = "; ".join(f"{k}={v}" for k, v in lab.jar.items())
    address = f"ws://127.0.0.1:{lab.platform.port + 1}/user/{lab.person.name}/terminals/websocket/{name}"
    ws = websocket.create_connection(address, host=lab.host, cookie=cookies, origin=f"http://{lab.host}", timeout=30)
    ws.recv()
    ws.send(json.dumps(["stdin", text]))
    while ":" not in json.dumps(json.loads(ws.recv())[1:]):
        pass
    ws.close()


def test_nobody_else_keeps_a_server(room):
    platform, unused, kept, *_ = room
    assert kept.post("/hub/keep", {}).status == 403  # without the form's token
    answer = unused.post("/hub/keep", {}, "/hub/home")
    assert answer.status == 409 and "is not running" in answer.text


def test_reason_lasts_over_a_kill_of_the_hub_and_age(room):
    """Whatever they do, at that age all are stopped; the servers come from a cratond of before, with other rules."""
    platform, unused, kept, busy, shell, dask = room
    platform.process.terminate()
    platform.process.wait(30)
    platform.start("--age", "5", "--idle", "0")
    wait_for(lambda: not any(server(p) for p in (kept, busy, shell, dask)), 60)
    for person in (kept, busy, shell, dask):
        assert "It had run for 5 seconds, the longest time that is allowed here." in home(person), home(person)
