"""A real sshd and a real Slurm, for as long as a test needs them: on the loopback, with keys, ports and configuration of their own, as children.

Their programs lie where they were unpacked (CRATON_SERVICES, by `./check clusters`) or are installed; nothing of the machine's own services is touched.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

WAIT_S = 60
STOP_S = 10
LIBRARIES = f"usr/lib/{sysconfig.get_config_var('MULTIARCH') or 'x86_64-linux-gnu'}"


def free_ports(count):
    """That many which differ: all are held until the last is known."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


class Unpacked:
    """Where Debian's packages lie: below a folder, beside what is installed."""

    def __init__(self):
        given = os.environ.get("CRATON_SERVICES")
        self.root = Path(given) if given else None

    def environment(self):
        """The variables that programs need which do not lie where they were built for."""
        if not self.root:
            return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        libraries = [self.root / place for place in (LIBRARIES, LIBRARIES.removeprefix("usr/"), f"{LIBRARIES}/slurm-wlm")]
        programs = [self.root / "usr/sbin", self.root / "usr/bin", os.environ["PATH"], "/usr/sbin", "/sbin"]
        return {**os.environ, "PATH": ":".join(map(str, programs)), "LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def program(self, name):
        """Debian's Slurm has its daemons under two names, of which one is made when the package is installed."""
        path = self.environment()["PATH"]
        found = shutil.which(name, path=path) or shutil.which(f"{name}-wlm", path=path)
        assert found, f"there is no {name}: ./check clusters unpacks it (env/debian-packages-clusters)"
        return found

    def below(self, path):
        """A folder of a package, where it was built for or where it was unpacked."""
        there = self.root and self.root / path
        return there if there and there.exists() else Path("/", path)


class Children:
    """Processes that are ended in the reverse order; what they say is in files."""

    def __init__(self, folder):
        self.folder, self.started = folder, []

    def start(self, name, command, environment):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.started.append(subprocess.Popen(list(map(str, command)), cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait(self, ready, seconds=WAIT_S):
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end and all(p.poll() is None for p in self.started), self.said()
            time.sleep(0.1)

    def said(self):
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        for p in reversed(self.started):
            p.terminate()
            try:
                p.wait(STOP_S)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


# ---- ssh ----

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized
PidFile none
UsePAM no
# The keys lie below a folder that others may write to, as /tmp is.
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
"""

# sshd, as root, wants an account `sshd` and an empty folder. Where the package is only unpacked it sees both, and nobody else does.
WITH_ACCOUNT = 'mount --bind "$0" /etc/passwd && exec "$@"'
EMPTY = Path("/run/sshd")


class Sshd(Children):
    """One sshd, which lets in who has its key, and its own user only."""

    def __init__(self, folder):
        super().__init__(folder)
        self.programs, self.user, (self.port,) = Unpacked(), getpass.getuser(), free_ports(1)
        self.made = False
        for key in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / key], check=True)
        shutil.copyfile(folder / "client_key.pub", folder / "authorized")
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host_key.pub').read_text()}")
        (folder / "config").write_text(SSHD.format(port=self.port, folder=folder, user=self.user))

    def start_all(self):
        # -r: it is not executed anew for each connection, since what lies over /etc/passwd goes as soon as somebody on the machine adds an account.
        command = [self.programs.program("sshd"), "-D", "-e", "-r", "-f", self.folder / "config"]
        if os.geteuid() == 0:
            accounts = Path("/etc/passwd").read_text()
            self.made = not EMPTY.exists()
            EMPTY.mkdir(mode=0o755, exist_ok=True)
            if "\nsshd:" not in accounts:
                (self.folder / "passwd").write_text(f"{accounts}sshd:x:65533:65534::{EMPTY}:/usr/sbin/nologin\n")
                (self.folder / "passwd").chmod(0o644)
                command = ["unshare", "--mount", "sh", "-c", WITH_ACCOUNT, self.folder / "passwd", *command]
        self.start("sshd", command, self.programs.environment())
        self.wait(lambda: accepts(self.port))

    def stop(self):
        super().stop()
        if self.made:
            with contextlib.suppress(OSError):
                EMPTY.rmdir()

    def options(self):
        """For asyncssh.connect: this server's key and no other's, this client's key, and nothing of the person's own configuration."""
        return {"port": self.port, "username": self.user, "client_keys": [str(self.folder / "client_key")], "known_hosts": str(self.folder / "known"),
                "config": None, "agent_path": None}  # fmt: skip


# ---- Slurm ----

SLURM = """
ClusterName=craton
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser=root
SlurmdUser=root
PluginDir={plugins}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
KillWait=2
MinJobAge=300
# Two jobs at once, however small the machine is.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=batch Nodes={host} Default=YES MaxTime=24:00:00 State=UP OverSubscribe=NO
"""


class Slurm(Children):
    """munge, a controller and one node, which is this machine."""

    def __init__(self, folder):
        super().__init__(folder)
        self.programs, self.host = Unpacked(), socket.gethostname().partition(".")[0]
        ctld, slurmd = free_ports(2)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (folder / "munge.key").chmod(0o600)
        plugins = self.programs.below(f"{LIBRARIES}/slurm-wlm")
        (folder / "slurm.conf").write_text(SLURM.format(host=self.host, ctld=ctld, slurmd=slurmd, folder=folder, plugins=plugins))
        self.environment = {**self.programs.environment(), "SLURM_CONF": str(folder / "slurm.conf")}

    def says(self, *command):
        done = subprocess.run([self.programs.program(command[0]), *command[1:]], env=self.environment, capture_output=True, text=True, timeout=WAIT_S)
        return done.stdout if done.returncode == 0 else ""

    def start_all(self):
        folder, program = self.folder, self.programs.program
        self.start("munged", [program("munged"), "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
                              f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munged.log"],
                   self.environment)  # fmt: skip
        self.wait((folder / "munge.socket").exists)
        self.start("slurmctld", [program("slurmctld"), "-D", "-f", folder / "slurm.conf", "-i"], self.environment)
        self.start("slurmd", [program("slurmd"), "-D", "-f", folder / "slurm.conf", "-N", self.host, "-d", program("slurmstepd")], self.environment)
        self.wait(lambda: self.says("sinfo", "-h", "-o", "%T").startswith(("idle", "mixed", "allocated")))

    def jobs(self):
        """Numbers of those that wait or run."""
        return set(self.says("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%i").split())
