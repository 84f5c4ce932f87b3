"""What processes take: CPU seconds, proportional memory (PSS), who descends from whom."""
import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GROUP = Path("/sys/fs/cgroup/cpuacct")


def cpu_seconds():
    """Of the whole machine since it started, all that is not idle."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK


def own_cpu():
    t = os.times()
    return t.user + t.system


class CpuGroup:
    """Counts what a side and everything that descends from it takes, also what has ended meanwhile, apart from whatever else the machine does.

    Needs the hierarchy cpuacct of control groups, version 1; elsewhere it counts the whole machine.
    """

    def __init__(self):
        self.folder = GROUP / f"craton-bench-{os.getpid()}" if (GROUP / "cgroup.procs").exists() else None
        if self.folder:
            self.folder.mkdir(exist_ok=True)

    def __enter__(self):
        """Processes that are started inside the block begin in the group."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text("0")

    def __exit__(self, *_):
        if self.folder:
            (GROUP / "cgroup.procs").write_text("0")

    def seconds(self):
        return int((self.folder / "cpuacct.usage").read_text()) / 1e9 if self.folder else cpu_seconds() - own_cpu()

    def remove(self):
        if self.folder:
            try:
                self.folder.rmdir()
            except OSError:
                pass  # something of the side has not ended yet; an empty group does no harm


def stat(pid):
    """(parent, CPU seconds) of a process; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK


def process_cpu(pids):
    return sum(one[1] for one in map(stat, pids) if one)


def pids():
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def environment(pid):
    """Of a process that was started; a forked one shows that of its parent."""
    try:
        lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(line.decode("utf-8", "replace").partition("=")[::2] for line in lines if line)


def owner(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def family(root):
    """A process and all that descend from it."""
    parents = {pid: one[0] for pid in pids() if (one := stat(pid))}
    found, more = {root}, True
    while more:
        new = {pid for pid, parent in parents.items() if parent in found} - found
        found |= new
        more = bool(new)
    return found


def pss_mib(pid):
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def available_mib():
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
