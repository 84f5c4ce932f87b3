"""What a scientist and an administrator do, over public HTTP alone."""
import re
import resource

import pytest
from conftest import Person


def invite(admin, name=""):
    page = admin.send(admin.browser.get(admin.hub + "/hub/admin"), "invite", username=name)
    return re.search(r'value="(http[^"]*/hub/join/[0-9a-f]+)"', page.text).group(1)


def run(server, code, path=""):
    with server.start_kernel(path) as kernel:
        outputs, _ = kernel.run(code)
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs).strip()


def time_of_children():
    """What they have computed: it does not depend on what else the machine has to do."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_first_administrator_reaches_the_laboratory(platform, admin):
    server, messages = admin.start_server()
    assert len(messages) >= 3 and all(messages)
    assert sorted(e["name"] for e in server.api("GET", "contents/welcome")["content"] if e["type"] == "notebook") == [
        "1-ndvi.ipynb", "2-climate.ipynb", "3-grids.ipynb", "4-cluster.ipynb"]
    assert "ostia_monthly.nc" in [e["name"] for e in server.api("GET", "contents/welcome/data")["content"]]
    assert run(server, "print(6 * 7)") == "42"
    uid = int(run(server, "import os; print(os.getuid())"))
    assert uid >= platform.uid_first
    home = run(server, "import os, pathlib; h = pathlib.Path.home(); print(h, oct(h.stat().st_mode & 0o777))")
    assert home.startswith(str(platform.state / "home")) and home.endswith("0o700")
    admin.stop_server()


def test_link_works_once(platform, refused):
    link = platform.up("--admin-link").stdout.strip()
    Person(platform).join(link, "grace")
    with pytest.raises(refused):
        Person(platform).join(link, "mallory")


def test_link_is_in_no_log_and_no_argument(platform):
    link = platform.up("--admin-link").stdout.strip()
    secret = link.rpartition("/")[2]
    for file in (platform.state / "log").rglob("*"):
        assert not file.is_file() or secret not in file.read_text(errors="replace")
    assert not any(secret in words for words in platform.processes().values())


def test_second_person_sign_out_and_in(platform, admin):
    person = Person(platform)
    person.join(invite(admin), "miriam")
    server, _ = person.start_server()
    assert run(server, "import getpass; print(getpass.getuser())") == "cr-miriam"
    person.send(person.home(), "logout")
    assert "/hub/login" in person.home().url
    person.sign_in()
    assert run(person.open_server(), "print('still here')") == "still here"
    person.stop_server()


def test_wrong_password_and_foreign_server(platform, admin, refused):
    person = Person(platform)
    person.join(invite(admin), "noor")
    server, _ = person.start_server()
    stranger = Person(platform)
    stranger.name, stranger.password = "noor", "not the password"
    with pytest.raises(refused) as caught:
        stranger.sign_in()
    assert caught.value.status in (401, 403)
    with pytest.raises(refused) as caught:
        admin.browser.get(server.url + "api/contents")
    assert caught.value.status in (403, 421)
    person.stop_server()


def test_second_up_is_quick_and_offline(platform):
    begin = time_of_children()
    answer = platform.up(before=["unshare", "--net"])  # a network namespace without any interface
    assert time_of_children() - begin < 5
    assert platform.hub in answer.stdout


def test_demo(platform):
    answer = platform.up("--demo")
    assert "agree in every comparison" in answer.stdout
    for name in ("figures.json", "1-ndvi.html", "2-climate.html", "3-grids.html", "4-cluster.html", "ndvi-map.png", "nino34.png", "four-views.png", "cluster.png"):
        assert (platform.state / "demo" / name).stat().st_size > 100
    assert not any("demo" in server["user"] for server in platform.ask("status")["servers"])
