"""Processes and what they cost: wall time, processor time of them and their children, and the peak of memory as the kernel counts it.

The kernel's peak of a process begins with that of its parent, so who measures keeps itself small: no NumPy, no xarray.

Python's modules are compiled beforehand, outside of what is measured, and kept in a folder of ours: an environment whose packages were installed without would
compile a thousand of them in each process, more than a second of processor time on both sides.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time

COMPILED = ("numpy", "pandas", "xarray", "dask", "zarr", "numcodecs", "netCDF4", "cftime", "craton", "distributed", "flox", "numbagg", "fsspec",
            "yaml", "kerchunk", "scipy", "toolz", "packaging", "dateutil")  # fmt: skip


def compile_modules(folder):
    """Of all processes that are begun after this."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(folder, "compiled")
    found = [importlib.util.find_spec(name) for name in COMPILED]
    places = [place for spec in found if spec for place in spec.submodule_search_locations or [spec.origin]]
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", "-x", "/tests?/", *places, os.path.dirname(os.__file__)], stdout=subprocess.DEVNULL)


class Failed(RuntimeError):
    """A command that failed, or did not end in time."""


def measured(commands, limit_s=1800):
    """One after the other: ({"wall_s", "cpu_s", "peak_mib"}, standard output of the last)."""
    begin, cpu, peak, out = time.monotonic(), 0.0, 0.0, b""
    for command in commands:
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            timer = threading.Timer(max(0.0, limit_s - (time.monotonic() - begin)), process.kill)
            timer.start()
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            timer.cancel()
            if status != 0:
                errors.seek(0)
                text = errors.read().decode(errors="replace")[-2000:]
                raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode} after {time.monotonic() - begin:.0f} s:\n{text}")
        cpu, peak = cpu + usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss / 1024)
    return {"wall_s": time.monotonic() - begin, "cpu_s": cpu, "peak_mib": peak}, out
