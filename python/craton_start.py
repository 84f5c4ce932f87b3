"""Kernels of a Craton platform, forked instead of started: a kernel provisioner for jupyter_client.

Chosen by JUPYTER_DEFAULT_PROVISIONER_NAME=craton-forked, which cratond sets for user servers with CRATON_KERNELS, the socket to ask at;
elsewhere it is not used. A kernel that cannot be forked (another language or environment, PYTHONPATH set, nobody answers) starts as it does without this. share/start/kernels.py
is the other side and says how they talk.
"""
import json
import os
import re
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner

PATIENCE_S = 5
REQUEST_MOST = 128 << 10     # larger than any that fits into a socket's buffer is started plainly


class ForkedKernel:
    """What LocalProvisioner uses of subprocess.Popen, for a process that is somebody else's child."""

    stdin = stdout = stderr = None

    def __init__(self, pid, connection):
        self.pid, self.connection, self.returncode = pid, connection, None
        self.pidfd = os.pidfd_open(pid)

    def poll(self):
        if self.returncode is None and select.select([self.pidfd], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self.pidfd], [], [], timeout)[0]:
                raise TimeoutError(f"kernel {self.pid} still runs")
            self.returncode = self._status()
            self.connection.close()
            os.close(self.pidfd)
        return self.returncode

    def _status(self):
        """-1 when the process that knows has died too."""
        try:
            self.connection.settimeout(PATIENCE_S)
            return int(json.loads(self.connection.recv(1000))["status"])
        except (OSError, ValueError, KeyError, TypeError):
            return -1

    def send_signal(self, number):
        if self.poll() is None:
            signal.pidfd_send_signal(self.pidfd, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def fork_kernel(cmd, env, cwd):
    """A ForkedKernel, or None when the kernel is to be started plainly."""
    path = os.environ.get("CRATON_KERNELS", "")
    request = json.dumps({"argv": [os.path.expanduser(word) for word in cmd], "env": env, "cwd": cwd}).encode()
    if len(request) > REQUEST_MOST or not os.path.exists(path):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(path)
        socket.send_fds(connection, [request], [1, 2])
        answer = json.loads(connection.recv(4096))
        if "pid" in answer:
            return ForkedKernel(int(answer["pid"]), connection)
    except (OSError, ValueError, TypeError) as e:
        print(f"kernel not forked, starting it plainly: {e}", file=sys.stderr, flush=True)
    connection.close()
    return None


def numbers(version):
    """3.9 is before 3.11, and conda's link python3.1 before both."""
    return [int(number) for number in re.findall("[0-9]+", version)]


def software_of(program):
    """Versions of Python, dask and distributed in the environment of an interpreter, by names of folders, the latest of each as the hub takes it
    (src/platform/runner/software.c); None where they cannot be found."""
    folders = Path(program).absolute().parent.parent.glob("lib/python3*/site-packages")
    for packages in sorted(folders, key=lambda folder: numbers(folder.parent.name), reverse=True):
        found = [packages.parent.name.removeprefix("python")]
        for name in ("dask", "distributed"):
            versions = [entry.name.removeprefix(f"{name}-").removesuffix(".dist-info") for entry in packages.glob(f"{name}-[0-9]*.dist-info")]
            found += sorted(versions, key=numbers)[-1:]
        if len(found) == 3 and all(re.fullmatch(r"[0-9.]{1,31}", version) for version in found):
            return ",".join(found)
    return None


def tell_gateway(cmd, env):
    """A kernel of another environment goes to the gateway by an address that says its versions: they may not fit those of clusters, which is
    refused when it asks for one and not when the first task fails (src/platform/gateway/versions.h)."""
    address, program = env.get("DASK_GATEWAY__ADDRESS"), shutil.which(os.path.expanduser(cmd[0]), path=env.get("PATH"))
    if not address or not program or "/with/" in address or os.path.realpath(Path(program).absolute().parent.parent) == os.path.realpath(sys.prefix):
        return
    software = software_of(program)
    if software:
        env["DASK_GATEWAY__ADDRESS"] = f"{address}/with/{software}"


class ForkedProvisioner(LocalProvisioner):
    async def launch_kernel(self, cmd, **kwargs):
        plain = {"stdin", "stdout", "stderr"} & {name for name, value in kwargs.items() if value is not None}
        env = kwargs["env"] = dict(kwargs.get("env") or os.environ)
        tell_gateway(cmd, env)
        cwd = str(kwargs.get("cwd") or Path.cwd())
        if not plain and not kwargs.get("independent"):
            env["JPY_PARENT_PID"] = str(os.getpid())
            self.process = fork_kernel(cmd, env, cwd)
        if self.process is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.process.pid
        self.pgid = self.pid  # the leader of a session of its own
        self.cwd = cwd
        return self.connection_info
