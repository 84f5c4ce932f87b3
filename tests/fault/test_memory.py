"""The memory limit of a server: what was ended, that the rest goes on, and that the person is told with the limit in force."""
import os
import pwd
import shutil
import threading
from pathlib import Path

import pytest
import websocket
from hub_client import request, running, wait_for
from test_named_servers import start as start_named
from test_session import Lab, server, server_pid, start, stop

EAT = "b = bytearray()\nwhile True:\n    b += b'x' * (32 << 20)"


@pytest.fixture(scope="module")
def lab():
    """A server with a limit of 512 MiB."""
    with running("--memory", "512M", "--named-servers", "1") as p:
        person = p.add_person(p.administrator(), "mira")
        person.name = "mira"
        start(person)
        lab = Lab(person)
        assert lab.open().status == 200
        yield lab


def new_kernel(lab):
    return lab.api("POST", "kernels", {"name": "python3"}).json()["id"]


def eat(lab, kernel):
    """Runs EAT; the kernel does not live to answer."""
    try:
        lab.run(kernel, EAT)
    except (websocket.WebSocketException, OSError, AssertionError):
        pass


def told(person):
    page = person.get("/hub/home").text
    return page if "memory limit of" in page else None


def test_a_kernel_over_the_limit(lab):
    """The kernel goes; the server, another kernel and its variables stay; the home page names the limit."""
    other, hungry = new_kernel(lab), new_kernel(lab)
    lab.run(other, "kept = 'here'")
    pid = server_pid(lab.platform, "mira")
    assert "memory limit of" not in lab.person.get("/hub/home").text
    threading.Thread(target=eat, args=(lab, hungry), daemon=True).start()
    page = wait_for(lambda: told(lab.person), 60, 0.5)
    assert "512 MiB was reached" in page and "Its variables are gone" in page
    assert server_pid(lab.platform, "mira") == pid
    assert lab.run(other, "kept") == "'here'"


def test_a_kernel_of_a_further_server(lab):
    """It is said beside that server, and not of the ordinary one."""
    person = lab.person
    stop(person)
    start(person)
    side = start_named(person, "side")
    assert side.open().status == 200 and "memory limit of" not in person.get("/hub/home").text
    threading.Thread(target=eat, args=(side, new_kernel(side)), daemon=True).start()
    page = wait_for(lambda: told(person), 60, 0.5)
    ordinary, _, further = page.partition("<h2 id=\"named-title\">")
    assert "512 MiB was reached" in further and "memory limit of" not in ordinary
    assert person.api("DELETE", "/hub/api/users/mira/servers/side", {"remove": True}).status in (202, 204)


def test_a_server_over_the_limit(lab):
    """The server's own process is what needs the memory."""
    person, platform = lab.person, lab.platform
    stop(person)
    start(person)
    assert "memory limit of" not in person.get("/hub/home").text  # that was an earlier server's
    stop(person)
    folder = Path(pwd.getpwnam(platform.accounts + "mira").pw_dir) / ".jupyter"
    folder.mkdir(exist_ok=True)
    (folder / "jupyter_server_config.py").write_text(
        "import threading, time\ndef eat():\n    time.sleep(4)\n    b = bytearray()\n    while True:\n        b += b'x' * (32 << 20)\n"
        "threading.Thread(target=eat, daemon=True).start()\n")
    owner = folder.parent.stat()
    for path in (folder, folder / "jupyter_server_config.py"):
        os.chown(path, owner.st_uid, owner.st_gid)
    person.post("/hub/spawn", {}, "/hub/home")
    wait_for(lambda: not server(person), 90, 0.3)
    page = person.get("/hub/home").text
    assert "It ran out of memory: the limit is 512 MiB" in page, page
    assert request("GET", f"http://mira.localhost:{platform.port + 1}/user/mira/api").status == 424
    shutil.rmtree(folder)
    start(person)
