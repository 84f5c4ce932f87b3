"""`craton` where people use it: how far it is on a terminal, Ctrl-C, limits that are too small.

The source has 32 million elements in 70 kB; what is computed with them takes from about a second to half a minute of one CPU.
"""
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest

CRATON = Path(os.environ["CRATON_BUILD"]) / "src/cli/craton"
LONG = "t + 0.5" + " | sin | cos" * 120 + " | mean lat lon"
SHORT = "t + 0.5" + " | sin | cos" * 20 + " | mean lat lon"
BAR = r"\r\[(#*) *\] +(\d+) %  (\?|[0-9a-z. ]+) left"


@pytest.fixture
def source(tmp_path):
    with netCDF4.Dataset(tmp_path / "in.nc", "w") as f:
        for name, length in zip(("time", "lat", "lon"), (8000, 64, 64)):
            f.createDimension(name, length)
        f.createVariable("t", "i1", ("time", "lat", "lon"), chunksizes=(50, 64, 64), zlib=True)[:] = np.arange(8000)[:, None, None] % 100
    return tmp_path / "in.nc"


class OnTerminal:
    """The command with a terminal of its own for errors, and as the one that Ctrl-C is for; results go into a file beside."""

    def __init__(self, *arguments, directory):
        self.seen, self.status = "", None
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)   # a shell's background job has it ignored
            os.chdir(directory)
            os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
            os.environ.update(LC_ALL="C.UTF-8", TERM="xterm", COLUMNS="80")
            os.execv(CRATON, [str(CRATON), *map(str, arguments)])

    def read(self, seconds):
        """False: it has ended."""
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.terminal, 65536).decode()
            except OSError:   # what Linux says at the end of a terminal
                return False
        return True

    def until(self, pattern, seconds=200):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end and self.read(1), f"{pattern} is not in {self.seen!r}"

    def end(self, seconds=200):
        """The exit code."""
        end = time.monotonic() + seconds
        while self.read(0.05) and time.monotonic() < end:
            pass
        while True:
            child, status = os.waitpid(self.child, os.WNOHANG)
            if child or time.monotonic() > end:
                break
            time.sleep(0.005)
        if not child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        os.close(self.terminal)
        assert child, f"it goes on: {self.seen!r}"
        return os.waitstatus_to_exitcode(status)


def names(directory):
    return sorted(p.name for p in directory.iterdir())


def test_progress(source):
    """A bar that only grows, with the time left, and a free line at the end; none with --quiet, and none where no terminal is."""
    one = OnTerminal("calc", SHORT, "in.nc", "-o", "out.nc", "-t", "1", directory=source.parent)
    assert one.end() == 0
    bars = re.findall(BAR, one.seen)
    shares = [int(percent) for _, percent, _ in bars]
    assert len(bars) >= 3 and shares == sorted(shares) and shares[-1] == 100, one.seen
    for bar, percent, _ in bars:
        assert abs(len(bar) - int(percent) * 0.3) <= 1
    assert any(left != "?" for _, _, left in bars) and one.seen.endswith("\r\x1b[K"), one.seen[-80:]
    quiet = OnTerminal("calc", SHORT, "in.nc", "-o", "out.nc", "-t", "1", "--force", "--quiet", directory=source.parent)
    assert quiet.end() == 0 and quiet.seen == ""
    piped = subprocess.run([CRATON, "calc", SHORT, source, "-o", source.parent / "out.nc", "--force"], capture_output=True, timeout=200)
    assert (piped.returncode, piped.stderr, piped.stdout) == (0, b"", b"")
    assert names(source.parent) == ["in.nc", "out.nc"]


@pytest.mark.parametrize("out", ["out.nc", "out.zarr", ""])
def test_interrupt(source, out):
    """Ctrl-C half-way: back at once, with what was there, and nothing else."""
    here = source.parent
    if out:
        subprocess.run([CRATON, "calc", "t.isel(time=0)", source, "-o", here / out], check=True, timeout=60)
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    one = OnTerminal("calc", LONG, "in.nc", "-t", "2", *(["-o", out, "--force"] if out else []), directory=here)
    one.until(BAR)
    begin = time.monotonic()
    os.write(one.terminal, b"\x03")
    assert one.end() == 130
    # It would have gone on for many times as long; a second is what is promised on a machine that does nothing else.
    assert time.monotonic() - begin < 60  # it does not go on to its end
    assert "cancelled" in one.seen.split("left")[-1], one.seen[-200:]
    assert before == {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert names(here) == sorted(["in.nc", out] if out else ["in.nc"])


def test_interrupt_of_a_conversion(source):
    one = OnTerminal("convert", "in.nc", "out.zarr", "--codec", "zstd", "--level", "22", "--chunks", "lat=1,lon=1", "-t", "1", directory=source.parent)
    end = time.monotonic() + 100
    while not list(source.parent.glob(".out.zarr*")):
        assert time.monotonic() < end
        time.sleep(0.001)
    begin = time.monotonic()
    os.write(one.terminal, b"\x03")
    assert one.end() == 130, one.seen
    assert time.monotonic() - begin < 60  # it does not go on to its end
    assert names(source.parent) == ["in.nc"]


def test_interrupt_at_any_moment(source):
    """From the first moment on, also between two of the computations that a conversion is made of."""
    for k in range(12):
        one = OnTerminal("convert", "in.nc", "out.zarr", "--codec", "zstd", "--level", "22", "--chunks", "lat=1,lon=1", "-t", "1", directory=source.parent)
        while os.readlink(f"/proc/{one.child}/exe") != str(CRATON.resolve()):   # before, a signal is Python's
            time.sleep(0.001)
        time.sleep(0.008 * k)
        os.kill(one.child, signal.SIGINT)
        code = one.end()
        assert code in (130, -signal.SIGINT), (k, code, one.seen)   # the latter: it had not begun yet
        assert names(source.parent) == ["in.nc"]


def test_memory_too_small(source):
    """Refused before anything is written, with what to do; what is said to be enough is."""
    here = source.parent
    subprocess.run([CRATON, "calc", "t.isel(time=0)", source, "-o", here / "out.nc"], check=True, timeout=60)
    before = (here / "out.nc").read_bytes()

    def run(*arguments):
        answer = subprocess.run([CRATON, *arguments], cwd=here, capture_output=True, text=True, timeout=200)
        assert (here / "out.nc").read_bytes() == before or answer.returncode == 0
        assert names(here) == ["in.nc", "out.nc"]
        return answer.returncode, answer.stderr

    for text in ("t.mean(lat)", "t + 0.5 | mean lat"):
        code, said = run("calc", text, "in.nc", "-o", "out.nc", "--force", "--memory", "1M")
        assert code == 9 and "more than the memory limit of 1.0 MiB" in said and "raise the memory limit" in said, (text, said)
    code, said = run("convert", "in.nc", "out.nc", "--force", "--memory", "1M", "--chunks", "time=-1,lat=-1,lon=-1")
    assert code == 9 and "memory limit of 1.0 MiB" in said and "raise the memory limit" in said, said
    code, said = run("calc", "t.mean(lat)", "in.nc", "-o", "out.nc", "--force", "--memory", "1K")
    assert code == 2 and "least" in said, said
    code, said = run("calc", "t.mean(lat)", "in.nc", "-o", "out.nc", "--force", "--memory", "1M")
    wanted = re.search(r"raise the memory limit to ([\d.]+) MiB", said)
    assert code == 9 and wanted, said
    assert run("calc", "t.mean(lat)", "in.nc", "-o", "out.nc", "--force", "--memory", f"{int(float(wanted[1])) + 1}M")[0] == 0
