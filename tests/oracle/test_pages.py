"""Manual pages and completion of `craton`: made by the build out of the tables that options are parsed with, so every option of --help is in them;
the pages are clean for groff, the completion is used in a bash on a terminal.
"""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

BUILD = Path(os.environ["CRATON_BUILD"])
CRATON = BUILD / "src/cli/craton"


def craton(*arguments, status=0):
    answer = subprocess.run([CRATON, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert answer.returncode == status, answer.stderr
    return answer.stdout if status == 0 else answer.stderr


COMMANDS = re.findall(r"^  ([a-z]+) +[A-Z]", craton("help").split("craton COMMAND --help")[0], re.M)
PAGES = ["craton.1", "craton-expression.7", *(f"craton-{c}.1" for c in COMMANDS)]


def options_of(command):
    """(long, value) of each row of --help."""
    return re.findall(r"^  (?:-\w, |    )--([a-z-]+)(?: (\S+))?  *\S", craton(command, "--help"), re.M)


def plain(roff):
    return re.sub(r"\\f[BIR]", "", roff).replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "")


def test_commands():
    assert {"info", "calc", "explain", "convert", "rechunk"} <= set(COMMANDS)
    for command in COMMANDS:
        assert len(options_of(command)) > 2 and ("help", "") in [(o, "") for o, _ in options_of(command)]
        assert "Examples:" in craton(command, "--help") and f"  craton {command} " in craton(command, "--help")


@pytest.mark.parametrize("name", PAGES)
def test_pages(name):
    """As built, they are what the program says now, have what a page has, and raise no warning."""
    asked = {"craton.1": []}.get(name, [re.sub(r"craton-(\w+)\.\d", r"\1", name)])
    page = (BUILD / "src/cli" / name).read_text()
    assert page == craton("--man", *asked)
    lines = page.splitlines()
    assert re.fullmatch(rf'\.TH {plain(name).split(".")[0].upper()} {name[-1]} "" "craton [\d.]+" "Craton"', plain(lines[1])), lines[1]
    sections = [line[4:] for line in lines if line.startswith(".SH ")]
    assert sections[0] == "NAME" and sections[-1] == "SEE ALSO" and "DESCRIPTION" in sections
    assert lines[lines.index(".SH NAME") + 1].startswith(name[:-2].replace("-", "\\-") + " \\- ")
    known = {".TH", ".SH", ".B", ".BR", ".TP", ".PP", ".EX", ".EE", ".br", '.\\"'}
    assert {line.split()[0] for line in lines if line.startswith(".")} <= known
    assert not any(line.startswith("'") for line in lines) and page.isascii() and page.endswith("\n")
    if shutil.which("groff"):
        answer = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-z"], input=page, capture_output=True, text=True, timeout=60)
        assert answer.returncode == 0 and answer.stderr == "", answer.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_in_pages_and_completion(command):
    page = plain(craton("--man", command))
    bash, zsh = craton("--completion", "bash"), craton("--completion", "zsh")
    arm = re.search(rf"^    {command}\)\n(.*?)^        options=\"(.*?)\"", bash, re.M | re.S)
    assert arm[2].split() == ["--" + o for o, _ in options_of(command)]
    zsh_arm = re.search(rf"^    {command}\)\n(.*?);;", zsh, re.M | re.S)[1]
    for option, value in options_of(command):
        assert f"--{option}{' ' + value if value else ''}\n" in page, option
        assert re.search(rf"--{option}=['}}\[]", zsh_arm) if value else f"--{option}" in zsh_arm, option


def test_operations_are_in_the_page():
    page = plain(craton("--man", "expression"))
    operations = re.findall(r"^  ([a-z0-9]+) ", craton("calc", "--help").split("Operations:")[1], re.M)
    assert len(operations) > 40
    for operation in operations:
        assert re.search(rf"^\.TP\n{operation}(?: .*)?$", page, re.M), operation


def test_what_there_is_not():
    assert "no manual page" in craton("--man", "nothing", status=3)
    assert "bash and zsh" in craton("--completion", "fish", status=2)
    assert "bash and zsh" in craton("--completion", status=2)


def test_they_are_installed():
    """With the tag that ./up installs."""
    plan = json.loads((BUILD / "meson-info/intro-install_plan.json").read_text())
    found = {Path(p).name: entry for part in plan.values() for p, entry in part.items() if entry.get("tag") == "runtime"}
    for page in PAGES:
        assert found[page]["destination"].endswith(f"/man{page[-1]}/{page}"), page
    places = [entry["destination"] for part in plan.values() for entry in part.values() if entry.get("tag") == "runtime"]
    for place in ("/bash-completion/completions/craton", "/zsh/site-functions/_craton"):
        assert sum(p.endswith(place) for p in places) == 1, place
    assert (BUILD / "src/cli/completion/craton").read_text() == craton("--completion", "bash")
    assert (BUILD / "src/cli/completion/_craton").read_text() == craton("--completion", "zsh")


class Shell:
    """A bash on a terminal, with the completion read as the documentation says."""

    COMMAND = ["bash", "--norc", "--noprofile", "-i"]
    BEGIN = ("PS1='> '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; "
             "eval \"$(craton --completion bash)\"; echo read''y\n")

    def __init__(self, directory):
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(directory)
            os.environ.update(TERM="dumb", PATH=f"{CRATON.parent}:{os.environ['PATH']}", PS1="> ", LC_ALL="C", HISTFILE="", INPUTRC="/dev/null")
            os.execvp(self.COMMAND[0], self.COMMAND)
        self.seen = ""
        self.type(self.BEGIN)
        self.until("ready")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def until(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            left = end - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], f"{pattern} is not in {self.seen!r}"
            self.seen += os.read(self.terminal, 65536).decode()

    def completes(self, line, pattern):
        """What stands behind the line after the key; then the line is given up."""
        self.seen = ""
        self.type(line + "\t")
        self.until(pattern)
        self.type("\x15\n")       # ^U: nothing is run

    def close(self):
        os.write(self.terminal, b"\x15exit\n")
        end = time.monotonic() + 10
        while os.waitpid(self.child, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(self.child, 9)
            time.sleep(0.01)
        os.close(self.terminal)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash")
def test_completion_in_bash(tmp_path):
    for name in ("unusual.nc", "unlike.txt"):
        (tmp_path / name).touch()
    (tmp_path / "store.zarr").mkdir()
    shell = Shell(tmp_path)
    try:
        shell.completes("craton conv", r"craton convert $")
        shell.completes("craton convert unu", r"convert unusual\.nc $")
        shell.completes("craton convert unusual.nc sto", r"store\.zarr/$")
        shell.completes("craton convert unusual.nc --co", r"--codec $")
        shell.completes("craton convert unusual.nc out.nc --codec defl", r"--codec deflate $")
        shell.completes("craton calc tos unusual.nc -f netc", r"-f netcdf4 $")
        shell.completes("craton calc tos unusual.nc --format=netc", r"--format=netcdf4 $")
        shell.completes("craton calc tos -o unu", r"-o unusual\.nc $")
        shell.completes("craton help rech", r"help rechunk $")
        shell.completes("craton --compl", r"--completion $")
        shell.completes("craton rechunk --memory unu\tX", r"unuX$")     # a size is no file
    finally:
        shell.close()


class Zsh(Shell):
    COMMAND = ["zsh", "-f", "-i"]
    BEGIN = ("PS1='> '; unsetopt zle_bracketed_paste beep prompt_cr prompt_sp; autoload -Uz compinit; compinit -u -D; "
             "eval \"$(craton --completion zsh)\"; echo read''y\n")


@pytest.fixture
def files(tmp_path):
    """A file whose names are plain, but for one that a shell would run; one that is damaged, one that is none."""
    size = {"y": 2, "depth_level": 3}
    ds = xr.Dataset({"tos": (("y", "depth_level"), np.zeros((2, 3))), "tas_max": ("y", np.zeros(2)), "$(touch owned)": ("y", np.zeros(2)),
                     "`touch owned`": ("y", np.zeros(2)), "ice": ("y", np.zeros(2))}, {"latitude": ("y", np.zeros(2))})
    assert dict(ds.sizes) == size
    ds.to_zarr(tmp_path / "in.zarr")
    ds[["tos", "tas_max", "ice"]].to_netcdf(tmp_path / "in put.nc")
    (tmp_path / "bad.nc").write_bytes(b"CDF\x01" + bytes(range(200)))
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_names_of_a_file(files):
    assert set(craton("info", "--names", str(files / "in put.nc")).split()) == {"tos", "tas_max", "ice", "latitude", "y", "depth_level"}
    assert "$(touch owned)" in craton("info", "--names", str(files / "in.zarr")).splitlines()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash")
def test_names_in_bash(files):
    shell = Shell(files)
    try:
        shell.completes("craton plot in.zarr to", r"in\.zarr tos$")
        shell.completes("craton plot in.zarr 'tas", r"in\.zarr 'tas_max$")
        shell.completes("craton plot in.zarr 'tos | mean dep", r"'tos \| mean depth_level$")
        shell.completes("craton plot in.zarr 'tos.sel(lat", r"'tos\.sel\(latitude$")
        shell.completes("craton plot in\\ put.nc ic", r"in\\ put\.nc ice$")
        shell.completes("craton calc in.zarr tas", r"in\.zarr tas_max$")
        shell.completes("craton convert in.zarr out.nc --variables ic", r"--variables ice$")
        shell.completes("craton convert in.zarr out.nc --variables tos,ic", r"--variables tos,ice$")
        shell.completes("craton calc tos in.zarr --along dep", r"--along depth_level$")
        shell.completes("craton calc tos in.zarr no", r"in\.zarr notes\.txt ?$")          # files too
        shell.completes("craton plot bad.nc to\tX", r"bad\.nc toX$")                      # silent
        shell.completes("craton plot notes.txt to\tX", r"notes\.txt toX$")
        shell.completes("craton plot in.zarr \t\tX", r"X$")                              # all of them, the strange ones not
        assert "touch" not in shell.seen and "depth_level" in shell.seen
        assert not (files / "owned").exists()
    finally:
        shell.close()


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_names_in_zsh(files):
    shell = Zsh(files)
    try:
        shell.completes("craton plot in.zarr to", r"in\.zarr tos$")
        shell.completes("craton plot in.zarr 'tos | mean dep", r"mean depth_level$")
        shell.completes("craton calc tas in.zarr --along dep", r"--along depth_level ?$")
        shell.completes("craton conv", r"craton convert ?$")
        assert not (files / "owned").exists()
    finally:
        shell.close()
