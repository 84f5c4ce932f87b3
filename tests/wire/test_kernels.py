"""Kernels forked from a process of their user that has NumPy, xarray and IPython in memory: they are as those that start plainly, nothing
of the parent or of another kernel is in them, and whatever cannot be forked starts plainly."""
import importlib.metadata
import json
import os
import pwd
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from hub_client import PREFIX, has_ended, running, targets, wait_for
from test_clusters_owned import copy_environment
from test_prepared import begin, status_of
from test_session import server_pid, stop


@pytest.fixture(scope="module")
def platform():
    with running(prepared=True) as p:
        wait_for(lambda: "prepared parent is ready of=kernels" in p.log.read_text(), 60)
        p.admin = p.administrator()
        yield p


@pytest.fixture(scope="module")
def lab(platform):
    lab = begin(platform, "karen")
    yield lab
    stop(lab.person)


def forker(platform, name):
    """(pid, socket) of the process that forks the kernels of a person's server; (None, None): there is none yet."""
    uid = pwd.getpwnam(platform.accounts + name).pw_uid
    path = next((platform.run / f"r/{uid}").glob("k[0-9]*"), None)
    if path is None:
        return None, None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:     # it has ended meanwhile
            continue
        if len(words) > 2 and words[1].endswith(b"/kernels.py") and words[2] == bytes(path):
            return int(folder.name), path
    return None, path


def new_kernel(lab, **more):
    return lab.api("POST", "kernels", {"name": "python3", **more}).json()["id"]


def evaluate(lab, kernel, expression):
    # Again when there is no result: just after an interrupt or a restart a kernel drops what it is sent.
    text = wait_for(lambda: lab.run(kernel, f"import json; json.dumps({expression})"), 20)
    return json.loads(eval(text))  # the repr of a string


PPID = "__import__('os').getppid()"


@pytest.fixture
def kernel(platform, lab):
    wait_for(lambda: forker(platform, "karen")[0], 20)
    kernel = new_kernel(lab)
    assert evaluate(lab, kernel, PPID) == forker(platform, "karen")[0]
    yield kernel
    lab.api("DELETE", f"kernels/{kernel}")


ABOUT = """dict(flags=str(sys.flags), path=sys.path, argv0=os.path.basename(sys.argv[0]), prefix=sys.prefix, cwd=os.getcwd(), umask=oct(os.umask(0o22)),
 uid=os.getresuid(), groups=os.getgroups(), home=os.path.expanduser('~'), user=getpass.getuser(), main=sys.modules['__main__'].__name__,
 environ={k: v for k, v in os.environ.items() if k not in VARIES}, tempdir=tempfile.gettempdir(), recursion=sys.getrecursionlimit(),
 handlers=[str(signal.getsignal(n)) for n in (2, 13, 15, 17)], blas=[(t['num_threads'], t['internal_api']) for t in pools()],
 dask=dask.config.paths, daskfile=dask.config.PATH, zarr=zarr.config.paths, fsspec=fsspec.config.conf_dir, jedi=str(jedi.settings.cache_directory),
 parso=str(parso.cache._default_cache_path), session=jupyter_client.session.Session().username, ipython=IPython.paths.get_ipython_dir(),
 caps=[l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))], groups_of=sorted(open('/proc/self/cgroup')),
 limits=sorted(open('/proc/self/limits')), oom=open('/proc/self/oom_score_adj').read(), backend=os.environ.get('MPLBACKEND'))"""
VARIES = {"JPY_SESSION_NAME"}
IMPORTS = f"""VARIES = {VARIES}""" + """
import netCDF4, sys, os, getpass, tempfile, signal, numpy, scipy.linalg, dask.config, zarr, fsspec.config, jedi, parso.cache, jupyter_client.session, IPython, ctypes
def pools():
    found = []
    for path in sorted({l.split(None, 5)[5].strip() for l in open('/proc/self/maps') if 'openblas' in l}):
        library = ctypes.CDLL(path)
        for name in ('scipy_openblas_get_num_threads64_', 'scipy_openblas_get_num_threads', 'openblas_get_num_threads'):
            if hasattr(library, name):
                found.append(dict(num_threads=getattr(library, name)(), internal_api=name))
                break
    return found
"""


def test_as_a_plain_kernel(platform, lab, kernel):
    """Everything that a program may look at is the same in a kernel that was forked and in one that was not."""
    lab.run(kernel, IMPORTS)
    forked = evaluate(lab, kernel, ABOUT)
    _, path = forker(platform, "karen")
    os.rename(path, path.with_name("away"))  # nobody to ask: the next one starts plainly
    try:
        other = new_kernel(lab)
    finally:
        os.rename(path.with_name("away"), path)
    assert evaluate(lab, other, PPID) == server_pid(platform, "karen")
    lab.run(other, IMPORTS)
    plain = evaluate(lab, other, ABOUT)
    lab.api("DELETE", f"kernels/{other}")
    assert plain["blas"] and all(n == len(os.sched_getaffinity(0)) for n, _ in plain["blas"])
    environ = forked.pop("environ").items() ^ plain.pop("environ").items()
    assert not environ
    different = {key: (forked[key], plain[key]) for key in plain if forked[key] != plain[key]}
    assert not different


def test_two_kernels_share_nothing_secret(lab, kernel):
    other = new_kernel(lab)
    code = ("__import__('random').random(), __import__('numpy').random.random(), str(__import__('uuid').uuid4()), "
            "__import__('multiprocessing').process.current_process().authkey.hex(), next(__import__('tempfile')._get_candidate_names())")
    drawn = [evaluate(lab, k, f"[{code}]") for k in (kernel, other)]
    assert all(a != b for a, b in zip(*drawn)), drawn
    lab.run(kernel, "kept = 'mine'")
    assert evaluate(lab, other, "'kept' in globals()") is False
    lab.api("DELETE", f"kernels/{other}")


def test_versions_of_an_environment_by_its_folders(tmp_path):
    """As conda lays it, with a link that is called as an old Python is; and with what an upgrade that was cut off has left. The hub finds the same."""
    for package in ("dask-2026.8.0", "dask-2026.10.0", "dask-labextension-3000.0.0", "dask_gateway-2026.3.0", "distributed-2026.10.0"):
        (tmp_path / f"lib/python3.11/site-packages/{package}.dist-info").mkdir(parents=True)
    (tmp_path / "lib/python3.1").symlink_to("python3.11")
    (tmp_path / "lib/python3.9/site-packages").mkdir(parents=True)
    code = "import craton_start, sys; print(craton_start.software_of(sys.argv[1]))"
    said = subprocess.run([PREFIX / "env/current/bin/python3", "-c", code, tmp_path / "bin/python3"], check=True, capture_output=True, text=True).stdout
    assert said == "3.11,2026.10.0,2026.10.0\n"


def test_the_gateway_is_told_of_another_environment(platform, lab):
    """A kernel whose Dask is another than that of clusters gets none, with both versions; one of an environment that has the same is as any other."""
    home = Path(pwd.getpwnam(platform.accounts + "karen").pw_dir)
    now, has = (PREFIX / "env/current").resolve(), importlib.metadata.version("distributed")
    said = {}
    for name, version in (("older", "2020.1.0"), ("same", has)):
        copy_environment(now, platform.folder / name, "distributed", version)
        spec = home / ".local/share/jupyter/kernels" / name
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(json.dumps({"argv": [str(platform.folder / name / "bin/python3"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                                                      "display_name": name, "language": "python"}))
        kernel = lab.api("POST", "kernels", {"name": name}).json()["id"]
        lab.run(kernel, """from dask_gateway import Gateway
def ask():
    with Gateway() as gateway:
        try:
            name = gateway.submit(worker_memory=0.5)
            gateway.stop_cluster(name)
            return name
        except Exception as e:
            return str(e)""")
        said[name] = evaluate(lab, kernel, "ask()")
        assert evaluate(lab, kernel, "__import__('sys').prefix") == str(platform.folder / name)
        lab.api("DELETE", f"kernels/{kernel}")
    assert re.search(rf"This kernel has Python 3.*distributed 2020.1.0, and clusters run Python 3.*distributed {has}", said["older"]), said
    assert re.fullmatch("[0-9a-f]{32}", said["same"]), said


def test_interrupt_restart_and_end(platform, lab, kernel):
    begun = Path(pwd.getpwnam(platform.accounts + "karen").pw_dir) / "begun"

    def interrupt():
        wait_for(begun.exists)
        return lab.api("POST", f"kernels/{kernel}/interrupt")
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(AssertionError, match="KeyboardInterrupt"):
        lab.run(kernel, "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(300)")
    pid = evaluate(lab, kernel, "__import__('os').getpid()")
    assert lab.api("POST", f"kernels/{kernel}/restart").status == 200
    again = evaluate(lab, kernel, "__import__('os').getpid()")
    assert again != pid
    wait_for(lambda: has_ended(pid))
    assert evaluate(lab, kernel, PPID) == forker(platform, "karen")[0]
    assert lab.api("DELETE", f"kernels/{kernel}").status == 204
    wait_for(lambda: not Path(f"/proc/{again}").exists(), 10)


def test_a_kernel_that_dies_is_started_again(lab, kernel):
    pid = evaluate(lab, kernel, "__import__('os').getpid()")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 10)
    wait_for(lambda: lab.api("GET", f"kernels/{kernel}").json()["execution_state"] in ("idle", "starting", "restarting"), 20)
    assert wait_for(lambda: evaluate(lab, kernel, "__import__('os').getpid()"), 20) != pid


def test_work_of_the_usual_kind(lab, kernel):
    lab.run(kernel, "import numpy as np, xarray as xr, craton, multiprocessing, subprocess, concurrent.futures as f\ncraton.enable()\n"
                    "ds = xr.Dataset({'a': (('t', 'x'), np.arange(4e5).reshape(400, 1000))}).chunk(t=100, chunked_array_type='craton')")
    assert evaluate(lab, kernel, "float(ds.a.mean('t').sum())") == 199999500.0
    assert evaluate(lab, kernel, "float((np.ones((300, 300)) @ np.ones((300, 300))).sum())") == 300.0**3
    assert evaluate(lab, kernel, "subprocess.run(['python', '-c', 'print(6 * 7)'], capture_output=True, text=True).stdout.strip()") == "42"
    assert evaluate(lab, kernel, "list(multiprocessing.get_context('spawn').Pool(2).map(abs, [-1, -2]))") == [1, 2]
    assert evaluate(lab, kernel, "list(f.ThreadPoolExecutor(4).map(lambda i: float(ds.a.isel(t=i).mean().compute()), [0, 1]))") == [499.5, 1499.5]
    assert lab.run(kernel, "%matplotlib inline\nimport matplotlib.pyplot as plt\nlen(plt.plot([1, 2]))") == "1"


def test_an_idle_kernel_gives_back_what_is_free(lab, kernel):
    """Arrays between others that stay: the heap cannot shrink from its end."""
    used = "next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('RssAnon')) // 1024"
    lab.run(kernel, "import numpy as np\nheld = [(np.ones(12000), np.ones(100)) for _ in range(2000)]")
    full = evaluate(lab, kernel, used)
    lab.run(kernel, "held = [small for _, small in held]")
    pid = evaluate(lab, kernel, "__import__('os').getpid()")
    rss = Path(f"/proc/{pid}/status")
    wait_for(lambda: int(re.search(r"RssAnon:\s+(\d+)", rss.read_text())[1]) // 1024 < full - 150, 60)     # of 183 MiB, beside imports of this cell
    assert evaluate(lab, kernel, "(len(held), float(sum(held).sum()))") == [2000, 200000.0]


@pytest.mark.parametrize("name, value", [("PYTHONPATH", "/tmp"), ("OMP_NUM_THREADS", "1")])
def test_what_is_read_at_the_start_of_python_starts_plainly(platform, lab, name, value):
    home = Path(pwd.getpwnam(platform.accounts + "karen").pw_dir)
    owner, folder = home.stat(), home / ".local/share/jupyter/kernels/special"
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "special", "language": "python", "env": {name: value}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    for path in (folder / "kernel.json", *[folder, *folder.parents][:5]):
        if home in path.parents:
            os.chown(path, owner.st_uid, owner.st_gid)
    kernel = lab.api("POST", "kernels", {"name": "special"}).json()["id"]
    assert evaluate(lab, kernel, f"__import__('os').environ['{name}']") == value
    assert evaluate(lab, kernel, PPID) == server_pid(platform, "karen")
    lab.api("DELETE", f"kernels/{kernel}")


GARBAGE = r"""
import array, json, os, socket
def ask(data, fds=(1, 2), wait=True):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(10)
    s.connect(os.environ["CRATON_KERNELS"])
    try:
        socket.send_fds(s, [data], fds) if data else None
        return s.recv(1000).decode() if wait else ""
    except OSError as e:
        return type(e).__name__
good = dict(argv=[os.path.join(__import__('sys').prefix, 'bin/python'), '-m', 'ipykernel_launcher', '-f', 'x'], env={}, cwd='/')
def changed(**more): return json.dumps({**good, **more}).encode()
answers = [ask(b"{"), ask(b"[]"), ask(b"\xff"), ask(changed(argv=["/bin/sh", "-c", "id", "x"])), ask(changed(argv=good["argv"][:2])), ask(changed(env={"a": 1})),
           ask(changed(env={"a": "b\0c"})), ask(changed(cwd=7)), ask(changed(), ()), ask(changed(), (1,)), ask(changed(), (1, 2, 0, 1)), ask(b"x" * 190000), ask(b"[" * 90000),
           ask(b"", wait=False), ask(changed(argv=["/usr/bin/python3", *good["argv"][1:]])), ask(changed(env={"LD_PRELOAD": "x"}))]
"""


def test_requests_that_make_no_sense(platform, lab, kernel):
    """Refused or cut, and the process serves on."""
    pid, _ = forker(platform, "karen")
    lab.run(kernel, GARBAGE)
    answers = evaluate(lab, kernel, "answers")
    assert not any("pid" in a for a in answers), answers
    assert sum("refused" in a for a in answers) >= 8, answers
    assert forker(platform, "karen")[0] == pid
    other = new_kernel(lab)
    assert evaluate(lab, other, PPID) == pid
    lab.api("DELETE", f"kernels/{other}")


def test_nobody_else_is_heard(platform, lab, kernel):
    """Another person reaches neither the socket nor the folder it lies in; and the first person's kernels say where they are."""
    _, path = forker(platform, "karen")
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    other = begin(platform, "oscar")
    attempt = f"__import__('socket').socket(__import__('socket').AF_UNIX, __import__('socket').SOCK_SEQPACKET).connect({str(path)!r})"
    with pytest.raises(AssertionError, match="PermissionError"):
        other.run(other.kernel, attempt)
    stop(other.person)


def test_those_who_say_nothing_hold_up_nobody(platform, lab, kernel):
    pid, path = forker(platform, "karen")
    code = "import socket; held = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(12)]"
    assert lab.run(kernel, f"{code}; [s.connect({str(path)!r}) for s in held] and 'held'") == "'held'"
    other = new_kernel(lab)
    assert evaluate(lab, other, PPID) == pid  # one that waits too long starts plainly
    lab.api("DELETE", f"kernels/{other}")
    assert lab.run(kernel, "[s.settimeout(20) or s.recv(10) for s in held] == [b''] * 12") == "True"


def test_rights(platform, lab, kernel):
    pid, _ = forker(platform, "karen")
    owner = pwd.getpwnam(platform.accounts + "karen")
    for one in (pid, evaluate(lab, kernel, "__import__('os').getpid()")):
        status = status_of(one)
        assert status["Uid"].split() == [str(owner.pw_uid)] * 4 and status["Gid"].split() == [str(owner.pw_gid)] * 4
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        groups = Path(f"/proc/{one}/cgroup").read_text()
        assert re.search(r"karen\.\d+", groups), groups
        # Descriptors: standard ones and its own sockets, nothing of cratond or of another user.
        assert not [t for t in targets(one) if str(platform.folder / "state/hub") in t]
    assert status_of(pid)["PPid"] == str(platform.process.pid)


def test_end_of_the_process_that_forks(platform, lab, kernel):
    """A kernel that runs goes on; the next starts plainly; both can be ended."""
    lab.run(kernel, "kept = 6 * 7")
    pid, _ = forker(platform, "karen")
    mine = evaluate(lab, kernel, "__import__('os').getpid()")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 10)
    assert evaluate(lab, kernel, "kept") == 42
    other = new_kernel(lab)
    assert evaluate(lab, other, PPID) == server_pid(platform, "karen")
    for one in (kernel, other):
        assert lab.api("DELETE", f"kernels/{one}").status == 204
    wait_for(lambda: not Path(f"/proc/{mine}").exists(), 10)


def test_kernels_end_with_their_server(platform):
    lab = begin(platform, "quinn")
    pid, _ = wait_for(lambda: (found := forker(platform, "quinn"))[0] and found, 20)
    kernel = new_kernel(lab)
    mine = evaluate(lab, kernel, "__import__('os').getpid()")
    os.kill(server_pid(platform, "quinn"), signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{mine}").exists() and not Path(f"/proc/{pid}").exists(), 20)
