"""Processes and what they cost: wall time, processor time of them and their children, and the peak of memory as the kernel counts it.

The kernel's peak of a process begins with that of its parent, so who measures keeps itself small: no NumPy, no xarray.
"""
import os
import subprocess
import tempfile
import threading
import time


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
