"""What a prepared parent hands on to its forks: what the environment and the machine alone decide is found out once, and a fork that is given a
variable for which the parent's modules have looked in vain is started instead. Without a platform: the test is the parent's cratond."""
import array
import contextlib
import json
import os
import shutil
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


LANGUAGE_SERVER = """
import os, shutil, subprocess, sys
sys.path.insert(0, START)
import jupyter_lsp.specs.utils as utils
import remembered
from jupyter_lsp.specs.r_languageserver import RLanguageServer

os.environ.update(HOME=FOLDER, PATH="/usr/local/bin:/usr/bin:/bin")
for name in [name for name in os.environ if name.startswith("R_")]:
    del os.environ[name]
os.chdir(FOLDER)
runs, run, of_everybody = [], utils.check_output, remembered.as_of
utils.check_output = lambda *arguments: runs.append(arguments) or run(*arguments)

def asked():
    runs.clear()
    return RLanguageServer().is_installed(None), len(runs)

plain, once = asked()
assert once == 1
remembered.remember_imported()
assert asked() == (plain, 0)

def install(library):
    os.makedirs(f"{library}/languageserver")
    with open(f"{library}/languageserver/DESCRIPTION", "w") as f:
        f.write("Package: languageserver\\nVersion: 0.0.1\\n")

# Somebody's own library, where R looks for it by itself; then settings that lead to another.
own = subprocess.run(["Rscript", "-e", "cat(Sys.getenv('R_LIBS_USER'))"], capture_output=True, text=True, check=True).stdout
assert own.startswith(FOLDER), own
install(own)
assert asked() == (True, 1)
shutil.rmtree(own)
assert asked() == (plain, 0)
install(FOLDER + "/other")
with open(".Rprofile", "w") as f:
    f.write(f".libPaths('{FOLDER}/other')\\n")
assert asked() == (True, 1)
os.unlink(".Rprofile")
os.environ["R_LIBS"] = FOLDER + "/other"
assert asked() == (True, 1)
del os.environ["R_LIBS"]
assert asked() == (plain, 0)
# The operator installs something for everybody.
remembered.as_of = lambda folders: of_everybody([*folders, FOLDER])
assert asked() == (plain, 1)
print("right")
"""


@pytest.mark.skipif(not shutil.which("Rscript"), reason="needs rscript: it asks a language server of R")
def test_language_server_of_r_is_asked_for_once(tmp_path):
    program = f"START, FOLDER = {str(START)!r}, {str(tmp_path)!r}\n" + LANGUAGE_SERVER
    answer = subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, text=True)
    assert answer.stdout == "right\n", answer.stderr


SCHEMAS_AND_AUTHORITIES = """
import os, ssl, sys
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]     # a client with proxies has a context for each
for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
    os.environ.pop(name, None)
sys.path.insert(0, START)
import httpx, jupyter_events.schema, remembered
import httpx._transports.default as transports
from jupyter_events.schema_registry import SchemaRegistry
from jupyter_server import DEFAULT_EVENTS_SCHEMA_PATH

plain_context, plain_schema = transports.create_ssl_context(), jupyter_events.schema.EventSchema
remembered.remember_imported()

paths = sorted(DEFAULT_EVENTS_SCHEMA_PATH.glob("*/*.yaml"))
assert len(paths) > 1
for path in paths:
    ours, again, fresh = SchemaRegistry().register(path), SchemaRegistry().register(path), plain_schema(path)
    assert ours is again and (ours.id, ours.version, ours._schema) == (fresh.id, fresh.version, fresh._schema)
    assert SchemaRegistry().register(path.read_text()) is not ours       # a text is a schema of somebody's
with open(FOLDER + "/own.yaml", "w") as f:
    f.write(paths[0].read_text())
assert SchemaRegistry().register(type(paths[0])(FOLDER + "/own.yaml")).id == plain_schema(paths[0]).id
remember = remembered.as_of
remembered.as_of = lambda paths: "changed"
assert SchemaRegistry().register(paths[0]) is not SchemaRegistry().register(paths[0])
remembered.as_of = remember

def authorities(context):
    return {one["serialNumber"] for one in context.get_ca_certs()}

made, make = [], ssl.create_default_context
ssl.create_default_context = lambda *arguments, **more: made.append(1) or make(*arguments, **more)
os.environ["SSL_CERT_FILE"] = FOLDER + "/one.pem"
with open(FOLDER + "/one.pem", "w") as f:
    f.write(ssl.DER_cert_to_PEM_cert(plain_context.get_ca_certs(binary_form=True)[0]))
assert len(authorities(transports.create_ssl_context())) == 1 and len(made) == 1      # whose authorities are others
del os.environ["SSL_CERT_FILE"]
assert transports.create_ssl_context(verify=False).verify_mode == ssl.CERT_NONE and len(made) == 1
first = httpx.AsyncClient()._transport._pool._ssl_context
assert len(made) == 1
second = httpx.AsyncClient()._transport._pool._ssl_context
assert len(made) == 2 and first is not second
assert authorities(first) == authorities(second) == authorities(plain_context) and len(authorities(first)) > 50
for context in (first, second):
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert (context.options, context.minimum_version) == (plain_context.options, plain_context.minimum_version)
print("right")
"""


def test_schemas_and_authorities_are_those_of_a_plain_start(tmp_path):
    program = f"START, FOLDER = {str(START)!r}, {str(tmp_path)!r}\n" + SCHEMAS_AND_AUTHORITIES
    answer = subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, text=True)
    assert answer.stdout == "right\n", answer.stderr


LANGUAGE_SERVERS_AND_ARGUMENTS = """
import os, sys
sys.path.insert(0, START)
import remembered
from jupyter_lsp import manager
from jupyterlab.labapp import LabApp
from jupyter_server.serverapp import ServerApp

os.environ["PATH"] = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"
os.chdir(FOLDER)
sys.argv = ["server"]

def found():
    servers = manager.LanguageServerManager(node_roots=[])
    servers.initialize()
    return servers.language_servers, servers.all_language_servers

def parsed(kind, *arguments):
    one = kind()
    one.parse_command_line(*arguments)
    return type(one), one.argv, one.extra_args, one.cli_config, one.config, getattr(one, "port", None)

lines = [(ServerApp,), (ServerApp, []), (LabApp, []), (LabApp, ["--LabApp.app_dir=/x", "--debug"]), (ServerApp, ["--ServerApp.port=17"])]
plain_found, plain_parsed = found(), [parsed(*line) for line in lines]
remembered.remember_imported()
assert found() == plain_found and len(plain_found[1]) > 2
assert [parsed(*line) for line in lines] == plain_parsed and plain_parsed[-1][-1] == 17
assert plain_parsed[3][4]["LabApp"]["app_dir"] == "/x"

# What is right is not checked again; what is wrong, or was not seen in the parent, is.
validator = manager.LANGUAGE_SERVER_SPEC_MAP
checks, check = [], type(validator.validator).iter_errors

def noting(self, document, *more):
    checks.extend(key for key, value in document.items() if "argv" in value) if isinstance(document, dict) else None
    return check(self, document, *more)

type(validator.validator).iter_errors = noting
found()
assert not checks, checks
one = {"mine": {**next(iter(plain_found[1].values())), "display_name": "mine"}}
assert list(validator.iter_errors(one)) == [] and checks
checks.clear()
assert list(validator.iter_errors(one)) == [] and checks
assert validator.iter_errors({"mine": {**one["mine"], "languages": "r"}})
print("right")
"""


def test_language_servers_and_arguments_are_those_of_a_plain_start(tmp_path):
    program = f"START, FOLDER = {str(START)!r}, {str(tmp_path)!r}\n" + LANGUAGE_SERVERS_AND_ARGUMENTS
    answer = subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, text=True)
    assert answer.stdout == "right\n", answer.stderr


PROXY = """
import os, sys
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]
sys.path.insert(0, START)
import jupyterlab.extensions, jupyterlab.extensions.pypi as pypi
import afresh

def proxies():
    client = jupyterlab.extensions.get_pypi_manager(dict(app_dir=FOLDER))._httpx_client
    return {str(at._pool._proxy_url.host, "ascii") for at in client._mounts.values() if at is not None}

assert proxies() == set()
afresh.forget_the_parent()
assert proxies() == set() and pypi.xmlrpc_transport_override is None
os.environ["https_proxy"] = os.environ["http_proxy"] = "http://proxy.example.org:3128"
afresh.forget_the_parent()
assert proxies() == {"proxy.example.org"} and pypi.xmlrpc_transport_override.proxy == ("proxy.example.org", "3128")
print("right")
"""


def test_extension_manager_sees_the_proxy_of_the_server(tmp_path):
    program = f"START, FOLDER = {str(START)!r}, {str(tmp_path)!r}\n" + PROXY
    answer = subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, text=True)
    assert answer.stdout == "right\n", answer.stderr


def test_list_of_modules():
    """The parent of servers has in memory what makes their start dear, and nothing of what depends on the person."""
    program = f"import sys; sys.path.insert(0, {str(START)!r}); import json, prepared; print(json.dumps(sorted(prepared.TAINTED['modules'])))"
    tainted = json.loads(subprocess.run([PYTHON, "-B", "-c", program], capture_output=True, check=True).stdout)
    listed = set((START / "modules").read_text().split("\n"))
    assert {"jupyterhub.orm", "jupyterhub.handlers.base", "IPython", "jupyterlab.labapp"} <= listed
    assert not {name for name in listed for bad in tainted if name == bad or name.startswith(bad + ".")}
