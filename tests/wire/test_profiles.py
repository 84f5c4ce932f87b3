"""Profiles: what the operator's file gives is in force, for whom it is open, and what was chosen is kept."""
import json
import re
import sqlite3
import subprocess

import pytest
from hub_client import BUILD, PREFIX, control_groups, running, wait_for, with_profiles
from test_session import Lab, server, start, stop

PROFILES = """\
profiles:
  - slug: small
    display_name: Small front-end
    description: {de: Für die meisten Notebooks, en: For most notebooks.}
    memory: 600M
    cpu: 1
    environment: {COURSE_DATA: /data/course}
    options:
      size:
        display_name: Size
        choices:
          usual: {display_name: As usual}
          more: {memory: 700M, environment: {COURSE_SIZE: more}}
      threads:
        display_name: {en: Threads of OpenMP, de: 'Threads für OpenMP', pt-BR: Linhas de OpenMP}
        number: {min: 1, max: 4, default: 2}
        sets: OMP_NUM_THREADS
      bucket:
        text: {pattern: '[a-z]+(-[a-z0-9]+)*', default: open-data}
        sets: COURSE_BUCKET
  - slug: large
    display_name: Large front-end
    memory: 48G
    cpu: 1.5
    kernels: [python3, no-such-kernel]
    groups: [big-data]
"""


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True, kind=with_profiles(PROFILES)) as p:
        p.admin = p.administrator()
        yield p


def add(platform, name):
    person = platform.add_person(platform.admin, name)
    person.name = name
    return person


@pytest.fixture(scope="module")
def paula(platform):
    return add(platform, "paula")


def post(person, body, name=None):
    return person.api("POST", f"/hub/api/users/{name or person.name}/server", body)


def options(person):
    return person.api("GET", f"/hub/api/users/{person.name}/server").json()["user_options"]


def limit(platform, name, v1, v2):
    """What the kernel of the machine has as the limit of the person's running server; None without control groups."""
    tag = 2166136261
    for byte in str(platform.run).encode():
        tag = (tag ^ byte) * 16777619 & 0xFFFFFFFF
    for path in control_groups(f"/craton-{tag:08x}/{name}."):
        for file in (path / v1, path / v2):
            if file.exists():
                return file.read_text().split()[0]
    return None


def memory_of(platform, name):
    return int(limit(platform, name, "memory.limit_in_bytes", "memory.max") or 0)


def environment(person):
    """As a kernel has it."""
    lab = Lab(person)
    assert lab.open().status == 200
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    return json.loads(eval(lab.run(kernel, "import json, os; json.dumps(dict(os.environ))")))


def has_groups(platform):
    return re.search(r'control groups use="?v', platform.log.read_text()) is not None


def test_the_default_of_who_chooses_nothing(platform, paula):
    page = paula.get("/hub/home").text
    assert "Small front-end" in page and "For most notebooks." in page and "Large front-end" not in page
    assert 'name="small--size"' in page and 'max="4"' in page and 'value="open-data"' in page
    start(paula)
    assert options(paula) == {"profile": "small"}
    env = environment(paula)
    assert env["COURSE_DATA"] == "/data/course" and env["OMP_NUM_THREADS"] == "2" and env["COURSE_BUCKET"] == "open-data"
    assert env["MEM_LIMIT"] == str(600 << 20) and env["CPU_LIMIT"] == "1.000" and "COURSE_SIZE" not in env
    if has_groups(platform):
        assert memory_of(platform, "paula") == 600 << 20
    stop(paula)


def test_options_by_form_reach_a_kernel(platform, paula):
    form = {"profile": "small", "small--size": "more", "small--threads": "3", "small--bucket": "team-7", "large--x": "of another profile"}
    assert paula.post("/hub/spawn", form, "/hub/home").status == 303
    wait_for(lambda: server(paula).get("ready"), 60)
    env = environment(paula)
    assert [env.get(n) for n in ("COURSE_SIZE", "OMP_NUM_THREADS", "COURSE_BUCKET", "MEM_LIMIT")] == ["more", "3", "team-7", str(700 << 20)]
    if has_groups(platform):
        assert memory_of(platform, "paula") == 700 << 20
    page = paula.get("/hub/home").text
    assert "up to 700 MiB of memory, 1 CPU." in page and "Profile: Small front-end" in page
    # Not while it runs; and who may not see the server does not see what was chosen.
    assert paula.api("PATCH", "/hub/api/users/paula/server", {"user_options": {"profile": "small"}}).status == 400
    stop(paula)
    assert options(paula) == {"profile": "small", "size": "more", "threads": "3", "bucket": "team-7"}
    page = paula.get("/hub/home").text
    assert '<option value="more" selected>' in page and 'value="team-7"' in page
    # The next start is as the last one, also for a program that says nothing.
    assert post(paula, None).status == 202
    wait_for(lambda: server(paula).get("ready"), 60)
    assert environment(paula)["COURSE_BUCKET"] == "team-7"
    stop(paula)


@pytest.mark.parametrize("body, says", [
    ({"profile": "huge"}, "No such profile: 'huge'. Options include: small"),
    ({"profile": "large"}, "No such profile: 'large'. Options include: small"),  # not open to this person: as if it were not there
    ({"profile": 7}, "No such profile"),
    ({"profile": "small", "sise": "more"}, "did you mean 'size'"),
    ({"profile": "small", "memory": "48G"}, "has no option 'memory'"),
    ({"profile": "small", "environment": {"LD_PRELOAD": "x"}}, "has no option 'environment'"),
    ({"profile": "small", "options": {"threads": 5}}, "from 1 to 4"),
    ({"profile": "small", "options": {"threads": 1.5}}, "in steps of 1"),
    ({"profile": "small", "threads": "2\nLD_PRELOAD=x"}, "from 1 to 4"),
    ({"profile": "small", "bucket": "a\nb"}, "one line"),
    ({"profile": "small", "bucket": "A"}, "must be of the form"),
    ({"profile": "small", "bucket": "x" * 129}, "at most 128"),
    ({"profile": "small", "size": ["more"]}, "must be a text"),
    ({"profile": "small", "size": "more", "options": {"size": "usual"}}, "answered twice"),
    ({"profile": "small", "options": [1]}, "options must be an object"),
])
def test_what_does_not_fit_is_refused(platform, paula, body, says):
    before = options(paula)
    for answer in (post(paula, body), post(paula, {"user_options": body}), post(platform.admin, body, "paula"),
                   paula.api("PATCH", "/hub/api/users/paula/server", {"user_options": body})):
        assert answer.status == 400 and says in answer.json()["message"], answer.text
    assert not server(paula) and options(paula) == before


def test_who_is_in_the_group(platform):
    lara, admin = add(platform, "lara"), platform.admin
    assert admin.api("POST", "/hub/api/groups/big-data").status == 201
    assert post(lara, {"profile": "large"}).status == 400
    assert lara.post("/hub/spawn", {"profile": "large"}, "/hub/home").status == 400
    assert admin.api("POST", "/hub/api/groups/big-data/users", {"users": ["lara"]}).status == 200
    assert "Large front-end" in lara.get("/hub/home").text
    assert lara.api("PATCH", "/hub/api/users/lara/server", {"user_options": {"profile": "large"}}).status == 200
    # Killed while it starts: the next hub goes on with what was chosen.
    assert post(lara, None).status == 202
    platform.kill_hub()
    wait_for(lambda: server(lara).get("ready"), 60)
    assert options(lara) == {"profile": "large"}
    env = environment(lara)
    assert env["MEM_LIMIT"] == str(48 << 30) and env["CPU_LIMIT"] == "1.500" and "COURSE_DATA" not in env
    if has_groups(platform):
        assert memory_of(platform, "lara") == 48 << 30
    assert "GiB of memory, 1.5 CPUs. Profile: Large front-end" in lara.get("/hub/home").text
    lab = Lab(lara)
    assert lab.open().status == 200
    specs = lab.api("GET", "kernelspecs").json()
    assert list(specs["kernelspecs"]) == ["python3"] and specs["default"] == "python3"
    stop(lara)
    # Out of the group: what is remembered counts no more, whoever starts it.
    assert admin.api("DELETE", "/hub/api/groups/big-data/users", {"users": ["lara"]}).status == 200
    assert post(admin, {"profile": "large"}, "lara").status == 400
    assert post(lara, None).status == 202
    wait_for(lambda: server(lara).get("ready"), 60)
    assert environment(lara)["MEM_LIMIT"] == str(600 << 20)
    stop(lara)


def test_words_in_the_readers_language(paula):
    for asked, there, not_there in (("de-AT,de;q=0.9", ("Threads für OpenMP", "Für die meisten Notebooks", "Small front-end"), "Threads of OpenMP"),
                                    ("fr", ("Threads of OpenMP", "For most notebooks."), "Für die meisten"), ("en", ("Threads of OpenMP",), "Threads für")):
        page = paula.get("/hub/home", Accept_Language=asked).text
        assert all(words in page for words in there) and not_there not in page, asked


def test_it_is_in_the_database(platform, paula):
    wanted = "SELECT s.user_options, s.memory_bytes, s.cpu_milli FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = 'paula'"
    with sqlite3.connect(f"file:{platform.folder}/state/hub/hub.sqlite?mode=ro", uri=True) as db:
        row = db.execute(wanted).fetchone()
    db.close()
    assert json.loads(row[0])["bucket"] == "team-7" and row[1:] == (700 << 20, 1000)


def cratond_check(state):
    return subprocess.run([BUILD / "src/platform/cratond", "--state", state, "--run", "/tmp/craton-none", "--prefix", PREFIX, "--check"], capture_output=True,
                          text=True, timeout=30)


def test_check_says_where(tmp_path):
    file = tmp_path / "profiles.yaml"
    file.write_text(PROFILES)
    a = cratond_check(tmp_path)
    assert a.returncode == 0, a.stderr
    assert "profile small: Small front-end, 600 MiB of memory, 3 options, for everybody, the default" in a.stdout
    assert "kernel no-such-kernel is not installed here" in a.stdout
    file.write_text(PROFILES.replace("    cpu: 1\n", "    cpus: 1\n"))
    a = cratond_check(tmp_path)
    assert a.returncode == 2 and f"{file}:6:5: a profile has no key 'cpus'; did you mean 'cpu'?" in a.stderr
    file.write_text(PROFILES.replace("pt-BR", "pt_BR"))
    assert f"{file}:15:73: 'pt_BR' is no code of a language, such as en, de or pt-BR" in cratond_check(tmp_path).stderr
    file.write_text(PROFILES.replace("COURSE_DATA", "PATH"))
    assert f"{file}:7:19: the variable PATH is kept" in cratond_check(tmp_path).stderr
    file.write_text(PROFILES)
    file.chmod(0o666)
    assert "is not a file that only its owner can write" in cratond_check(tmp_path).stderr
