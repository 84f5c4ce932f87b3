"""What a prepared parent hands on to its forks: what the environment alone decides is found out once, and a fork that is given a variable for which
the parent's modules have looked in vain is started instead. Without a platform: the test is the parent's cratond."""
import array
import contextlib
import json
import os
import socket
import struct
import subprocess

import pytest
from hub_client import PREFIX

START = PREFIX / "share/craton/start"
PYTHON = PREFIX / "env/current/bin/python3"
UNCHANGED, MAGIC = 0xFFFFFFFF, 0x43525054

PROGRAM = """
import json, os, sys
print(json.dumps({"forked": "afresh" in sys.modules, "arguments": sys.argv[1:], "variable": os.environ.get("JUPYTERHUB_METRICS_PREFIX"),
                  "prefix": __import__("jupyterhub.metrics").metrics.metrics_prefix, "cwd": os.getcwd()}))
"""


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A prepared parent with one module of JupyterHub in memory, and its end of the socket."""
    modules = tmp_path_factory.mktemp("start") / "modules"
    modules.write_text("jupyterhub.metrics\n")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen([PYTHON, "-B", START / "prepared.py", modules, "." * 300], env={"HOME": "/nonexistent"}, cwd="/",
                               pass_fds=(3,), preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
    theirs.close()
    ours.settimeout(60)
    with contextlib.closing(ours):
        assert ours.recv(100) == b"ready"
        yield ours
    process.wait(20)


def run(parent, folder, *more):
    """What PROGRAM says, started as cratond starts a server, with these variables."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    read, write = os.pipe()
    talk, other = socket.socketpair()
    talk.settimeout(60)
    parent.sendmsg([b"start"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [other.fileno(), write]))])
    other.close()
    os.close(write)
    texts = [str(folder), "3", "", str(PYTHON), str(program), "word", "HOME=/nowhere", *more]
    body = b"".join(text.encode() + b"\0" for text in texts)
    with talk, open(read) as output:
        assert talk.recv(1) == b"i"
        talk.sendall(struct.pack("=IIIIIiII", MAGIC, UNCHANGED, UNCHANGED, UNCHANGED, UNCHANGED, 0, len(texts), len(body)) + body)
        assert talk.recv(1) == b"c"
        talk.sendall(b"g")
        return json.loads(output.read())


def test_forked_or_started(parent, tmp_path):
    said = run(parent, tmp_path)
    assert said == {"forked": True, "arguments": ["word"], "variable": None, "prefix": "jupyterhub", "cwd": str(tmp_path)}
    # The module has looked for this one before the fork: it must see it, so the program begins anew.
    said = run(parent, tmp_path, "JUPYTERHUB_METRICS_PREFIX=elsewhere")
    assert said == {"forked": False, "arguments": ["word"], "variable": "elsewhere", "prefix": "elsewhere", "cwd": str(tmp_path)}
    # For this one it has not looked.
    assert run(parent, tmp_path, "JUPYTERHUB_API_URL=http://127.0.0.1/")["forked"]


ENTRY_POINTS = """
import importlib.metadata, os, sys
sys.path.insert(0, START)
import remembered
sys.path.remove(START)
plain = importlib.metadata.entry_points
remembered.remember()
remembering = importlib.metadata.entry_points
assert plain is not remembering and plain() == remembering()
for group in plain().groups:
    assert set(plain(group=group)) == set(remembering(group=group)), group
assert plain(group="console_scripts", name="jupyter-lab") == remembering(group="console_scripts", name="jupyter-lab") != ()

def install(name):
    os.mkdir(f"{FOLDER}/{name}-1.0.dist-info")
    for file, text in (("METADATA", f"Name: {name}\\nVersion: 1.0\\n"), ("entry_points.txt", f"[of.a.test]\\n{name} = os:{name}\\n")):
        with open(f"{FOLDER}/{name}-1.0.dist-info/{file}", "w") as f:
            f.write(text)

def found():
    return sorted(point.name for point in remembering(group="of.a.test"))

install("first")
assert found() == []
sys.path.append(FOLDER)          # another place to look at
assert found() == ["first"]
os.utime(FOLDER, (1, 1))
assert found() == ["first"]
install("second")                # something new where it has looked
assert found() == ["first", "second"]
sys.path.remove(FOLDER)
assert found() == []
print("right")
"""


def test_entry_points_are_remembered_as_long_as_they_are_right(tmp_path):
    program = f"START, FOLDER = {str(START)!r}, {str(tmp_path)!r}\n" + ENTRY_POINTS
    answer = subprocess.run([PYTHON, "-B", "-W", "ignore::DeprecationWarning", "-c", program], capture_output=True, text=True)
    assert answer.stdout == "right\n", answer.stderr


def test_list_of_modules():
    """The parent of servers has in memory what makes their start dear, and nothing of what depends on the person."""
    program = f"import sys; sys.path.insert(0, {str(START)!r}); import json, prepared; print(json.dumps(sorted(prepared.TAINTED['modules'])))"
    tainted = json.loads(subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, check=True).stdout)
    listed = set((START / "modules").read_text().split("\n"))
    assert {"jupyterhub.orm", "jupyterhub.handlers.base", "IPython", "jupyterlab.labapp"} <= listed
    assert not {name for name in listed for bad in tainted if name == bad or name.startswith(bad + ".")}
