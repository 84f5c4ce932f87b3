"""Software environments of the operator's: kernels and whole servers run from them, Dask clusters too, and nothing from one that others may write to."""
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway_client import Member
from hub_client import BUILD, PREFIX, request, running, wait_for, with_profiles
from software_world import CURRENT, Environments, hanging, site_of
from test_session import Lab, server, stop

PROFILES = """\
software:
  geo: {{display_name: 'Geo "2026"', prefix: {folder}/geo}}
  labs: {{display_name: Labs, prefix: {folder}/labs, run: server}}
profiles:
  - slug: usual
  - slug: course
    software: geo
    kernels: [python3, no-such-kernel]
    options:
      with:
        choices:
          geo: {{}}
          labs: {{software: labs, kernels: [python3]}}
  - slug: r
    kernels: [ir, python3]
  - slug: closed
    groups: [few]
    software: geo
"""
WHERE = "import sys, os, json, importlib.util as u; json.dumps([sys.prefix, bool(u.find_spec('numpy')), os.environ['PATH'].split(':')[0], " \
        "os.environ.get('DASK_GATEWAY__CLUSTER__OPTIONS'), os.environ.get('CONDA_PREFIX')])"
SMALL = {"worker_memory": 0.5}


@pytest.fixture(scope="module")
def environments():
    if os.geteuid() != 0:
        pytest.skip("needs root: several accounts")
    e = Environments()
    try:
        e.make("geo", "ipykernel")
        (e.folder / "geo/conda-meta").mkdir()        # by which an environment of conda is known; its channels are not reached everywhere
        e.make("labs", "*", programs=("jupyterhub-singleuser", "jupyter-lab", "dask"))
        yield e
    finally:
        e.remove()


@pytest.fixture(scope="module")
def platform(environments):
    with running("--gateway-memory", "6G", prepared=True, kind=with_profiles(PROFILES.format(folder=environments.folder))) as p:
        p.admin = p.administrator()
        yield p


@pytest.fixture(scope="module")
def sonia(platform):
    return Member(platform, platform.admin, "sonia")


def start(member, **choice):
    answer = member.person.api("POST", f"/hub/api/users/{member.name}/server", choice)
    assert answer.status == 202, answer.text
    member.person.name = member.name
    return wait_for(lambda: server(member.person).get("ready"), 120)


def where(lab, kernel):
    kernel = lab.api("POST", "kernels", {"name": kernel}).json()["id"]
    return json.loads(eval(wait_for(lambda: lab.run(kernel, WHERE), 30)))


def test_a_kernel_of_another_environment(platform, environments, sonia):
    start(sonia, profile="course")
    lab = Lab(sonia.person)
    assert lab.open().status == 200
    specs = lab.api("GET", "kernelspecs").json()
    assert specs["default"] == "geo" and sorted(specs["kernelspecs"]) == ["geo", "python3"]
    assert specs["kernelspecs"]["geo"]["spec"]["display_name"] == 'Geo "2026"'
    geo = environments.folder / "geo"
    assert where(lab, "geo") == [str(geo), False, f"{geo}/bin", "{'software': 'geo'}", str(geo)]
    assert where(lab, "python3") == [str(CURRENT), True, f"{CURRENT}/bin", None, None]     # and that of Craton is as always
    assert (platform.run / "software/geo/kernels/geo/kernel.json").stat().st_mode & 0o777 == 0o644


def test_clusters_of_what_a_person_may_have(platform, environments, sonia):
    """Of a person's own profiles, and only where Dask is installed."""
    answer = sonia.ask("GET", "/v1/options")
    option = next(o for o in answer.json()["cluster_options"] if o["field"] == "software")
    assert option["spec"] == {"type": "select", "options": ["craton", "geo", "labs"]} and option["default"] == "craton"
    refused = sonia.ask("POST", "/v1/clusters/", {"cluster_options": {"software": "geo"}})
    assert refused.status == 409 and "software geo has no distributed" in refused.json()["error"]
    for software in ("other", 7):
        assert sonia.ask("POST", "/v1/clusters/", {"cluster_options": {"software": software}}).status == 422
    stop(sonia.person)


def test_a_whole_server_of_another_environment_and_its_cluster(platform, environments, sonia):
    labs = str(environments.folder / "labs")
    start(sonia, profile="course", **{"with": "labs"})
    lab = Lab(sonia.person)
    assert lab.open().status == 200
    assert list(lab.api("GET", "kernelspecs").json()["kernelspecs"]) == ["python3"]
    prefix, numpy, path, options, conda = where(lab, "python3")
    assert (prefix, numpy, path, conda) == (labs, True, f"{labs}/bin", None) and options == "{'software': 'labs'}"
    with sonia.gateway() as gateway:
        chosen = gateway.cluster_options()
        chosen.software = "labs"
        chosen.worker_memory = 0.5
        with pytest.raises(ValueError):
            chosen.software = "other"
        cluster = gateway.new_cluster(chosen)
        lines = wait_for(lambda: sonia.of_cluster(cluster.name), 60)
        assert all(f" {labs}/bin/dask " in f" {line}" for line in lines.values()), lines
        # Workers that a later hub starts are of the same: it is kept with the cluster.
        platform.kill_hub()
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=90)
            assert client.submit(lambda: __import__("sys").prefix).result(60) == labs
        cluster.close()
    stop(sonia.person)


def test_r_from_packages(platform, sonia):
    if subprocess.run(["Rscript", "-e", "library(IRkernel)"], capture_output=True).returncode if shutil.which("Rscript") else True:
        pytest.skip("needs r: ./up --with r installs it")
    start(sonia, profile="r")
    lab = Lab(sonia.person)
    assert lab.open().status == 200
    specs = lab.api("GET", "kernelspecs").json()
    assert specs["default"] == "ir" and set(specs["kernelspecs"]) == {"ir", "python3"}
    kernel = lab.api("POST", "kernels", {"name": "ir"}).json()["id"]
    lab.run(kernel, 'writeLines(format(sum(c(40, 2))), "from-r.txt")')
    made = platform.folder / "state/home/sonia/from-r.txt"
    wait_for(lambda: made.exists() and made.read_text() == "42\n", 30)
    stop(sonia.person)


def test_an_environment_that_others_may_write_to_is_not_used(platform, environments, sonia):
    program = environments.folder / "geo/bin"
    program.chmod(0o757)
    try:
        answer = sonia.person.api("POST", "/hub/api/users/sonia/server", {"profile": "course", "with": "geo"})
        assert answer.status == 202
        page = wait_for(lambda: "can be written by others" in (text := sonia.person.get("/hub/home").text) and text, 30)
        assert "Geo &quot;2026&quot;" in page or "Geo &#34;2026&#34;" in page
    finally:
        program.chmod(0o755)
    start(sonia, profile="course")
    stop(sonia.person)


def late_software(platform):
    return request("GET", platform.hub + "/hub/health").json().get("late_software", [])


def test_a_disk_that_hangs_holds_nobody_up(platform, environments, sonia):
    """What was found last is used, and nobody waits twice; the hub goes on, and says which environment it is."""
    if subprocess.run("test -c /dev/fuse && grep -qw fuse /proc/filesystems", shell=True).returncode:
        pytest.skip("needs fuse: a file system that never answers")
    wanted = {"cluster_options": {"software": "geo"}}
    known = sonia.ask("POST", "/v1/clusters/", wanted)
    assert known.status == 409 and "has no distributed" in known.json()["error"] and late_software(platform) == []
    log = len(platform.log.read_text())
    with hanging(site_of(environments.folder / "geo")):
        with ThreadPoolExecutor(1) as one:
            answer = one.submit(sonia.ask, "POST", "/v1/clusters/", wanted)
            assert late_software(platform) == []         # asked while that request waits
            assert answer.result(30).json() == known.json()
        assert late_software(platform) == ["geo"]
        assert f"{environments.folder}/geo does NOT answer for" in platform.ask(command="status")["text"]
        for _ in range(3):
            assert sonia.ask("POST", "/v1/clusters/", wanted).json() == known.json()
        assert platform.log.read_text()[log:].count("a software environment does not answer") == 1
        # The helper, too: a start from there fails, all others go on meanwhile.
        una = Member(platform, platform.admin, "una")
        assert sonia.person.api("POST", "/hub/api/users/sonia/server", {"profile": "course"}).status == 202
        start(una, profile="usual")
        stop(una.person)
        wait_for(lambda: "does not answer: the disk on which it lies may be gone" in sonia.person.get("/hub/home").text, 60)
    wait_for(lambda: late_software(platform) == [], 30)
    assert "a software environment answers again" in platform.log.read_text()[log:]
    assert sonia.ask("POST", "/v1/clusters/", wanted).json() == known.json()


def test_what_is_not_open_is_no_option(platform, environments):
    """The platform of whoever has no profile with software is as it was."""
    with running(prepared=False, kind=with_profiles(f"software: {{geo: {{prefix: {environments.folder}/geo}}}}\nprofiles:\n  - slug: a\n  - {{slug: b, software: geo, groups: [few]}}\n")) as p:
        admin = p.administrator()
        una = Member(p, admin, "una")
        assert "software" not in [o["field"] for o in una.ask("GET", "/v1/options").json()["cluster_options"]]
        assert una.ask("POST", "/v1/clusters/", {"cluster_options": {"software": "geo"}}).status == 422
        assert admin.api("POST", "/hub/api/groups/few").status == 201
        assert admin.api("POST", "/hub/api/groups/few/users", {"users": ["una"]}).status == 200
        assert "software" in [o["field"] for o in una.ask("GET", "/v1/options").json()["cluster_options"]]


def test_check_says_what_is_wrong(environments, tmp_path):
    file = tmp_path / "profiles.yaml"
    file.write_text(PROFILES.format(folder=environments.folder))
    command = [BUILD / "src/platform/cratond", "--state", tmp_path, "--run", "/tmp/craton-none", "--prefix", PREFIX, "--check"]
    a = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert a.returncode == 0, a.stderr
    assert f'software geo: Geo "2026", {environments.folder}/geo, for kernels' in a.stdout and "it has no distributed" in a.stdout
    assert f"software labs: Labs, {environments.folder}/labs, for whole servers" in a.stdout
    file.write_text(PROFILES.format(folder="/no/such/folder"))
    a = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert a.returncode == 0 and "there is no /no. Servers with it do not start." in a.stdout
