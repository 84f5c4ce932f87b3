"""What a scientist and an administrator do, over public HTTP alone."""
import re
import resource

import pytest
from conftest import Person
from kernel import CellFailed


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
    with pytest.raises(CellFailed, match="the kernel was ended"):      # ./up's demo says so, and does not wait for ever
        run(server, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    uid = int(run(server, "import os; print(os.getuid())"))
    assert uid >= platform.uid_first
    home = run(server, "import os, pathlib; h = pathlib.Path.home(); print(h, oct(h.stat().st_mode & 0o777))")
    assert home.startswith(str(platform.state / "home")) and home.endswith("0o700")
    admin.stop_server()


def test_packages_of_ones_own(platform, admin):
    """An environment on top of the platform's: its kernel has what is there for everybody, and what its person installs. The common one says so."""
    server, _ = admin.start_server()
    wheel = "tidal-1.0-py3-none-any.whl"
    made = f'''
import zipfile
with zipfile.ZipFile("{wheel}", "w") as z:
    z.writestr("tidal.py", "height = 42")
    z.writestr("tidal-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tidal\\nVersion: 1.0\\n")
    z.writestr("tidal-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("tidal-1.0.dist-info/RECORD", "tidal.py,,\\ntidal-1.0.dist-info/METADATA,,\\ntidal-1.0.dist-info/WHEEL,,\\ntidal-1.0.dist-info/RECORD,,\\n")
'''
    run(server, made)
    assert "python -m craton_environment mine" in run(server, f"%pip install ./{wheel}")
    assert "pip 2" in run(server, "%pip --version")
    assert "is ready" in run(server, "!python -m craton_environment mine")
    assert "is there already" in run(server, "!python -m craton_environment mine") and "cannot be its name" in run(server, "!python -m craton_environment ../x")
    assert "mine" in server.api("GET", "kernelspecs")["kernelspecs"]
    with server.start_kernel("", "mine") as kernel:
        kernel.run(f"%pip install --no-index ./{wheel}")
        outputs, _ = kernel.run("import tidal, xarray, craton, sys; print(tidal.height, tidal.__file__.startswith(sys.prefix), sys.prefix, xarray.__file__)")
        ours = "".join(o["text"] for o in outputs).split()
    assert ours[:2] == ["42", "True"] and ours[2].endswith("/environments/mine") and str(platform.copy / "env/current") in ours[3]
    assert "No module" in run(server, "try:\n    import tidal\nexcept ImportError as e:\n    print(e)")
    assert "removed" in run(server, "!python -m craton_environment --remove mine")
    assert "mine" not in server.api("GET", "kernelspecs")["kernelspecs"]
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
    assert run(server, "import getpass; print(getpass.getuser())") == platform.accounts + "miriam"
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
