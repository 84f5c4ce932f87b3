"""The process from which the kernels of one user are forked: it has NumPy, xarray, IPython and their like in memory.

    kernels.py SOCKET SERVER_PID

Runs as the user, in the user's control group, a fork of the second prepared parent. Listens on SOCKET (mode 0600, in a folder of mode
0700), where the user's server asks for kernels (python/craton_start.py is the other side) and nobody else is heard. One connection is one
kernel: one datagram of JSON {"argv", "env", "cwd"} with two descriptors (standard output and error); the answer {"pid": N}, or
{"refused": WHY} and the server starts it plainly; at the end of the kernel {"status": CODE} as subprocess counts it. When the server
ends, its kernels do, as they do with a server that is their parent.
"""
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import time

import afresh

REQUEST_MOST = 256 << 10
PATIENCE_S = 3
WAITING_MOST = 64                      # connections that have not asked yet
PEER = struct.Struct("iII")            # struct ucred

# Read when Python or a library starts, which here has been: such a kernel is started plainly.
TOO_LATE = ("PYTHON", "LD_", "OPENBLAS_", "OMP_", "MKL_", "BLIS_", "HDF5_", "NPY_", "NUMPY_")


def main(path, server):
    begin_anew()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    if os.path.lexists(path):
        os.unlink(path)
    before = os.umask(0o177)
    listener.bind(path)
    os.umask(before)
    listener.listen(16)
    Kernels(listener, os.pidfd_open(int(server))).run()


def begin_anew():
    signal.signal(signal.SIGINT, signal.SIG_IGN)     # meant for kernels, never for this


class Kernels:
    def __init__(self, listener, server):
        self.listener, self.server, self.running = listener, server, {}     # pidfd of a kernel -> (pid, connection)
        self.waiting = {}                                                   # descriptor -> (connection, until when it must have asked)
        self.poll = select.poll()
        for fd in (listener.fileno(), server):
            self.poll.register(fd, select.POLLIN)

    def run(self):
        while True:
            for fd, _ in self.poll.poll(1000 if self.waiting else None):
                if fd == self.server:
                    self.end()
                    return
                if fd == self.listener.fileno():
                    self.accept()
                elif fd in self.waiting:
                    self.answer(fd)
                elif fd in self.running:
                    self.reap(fd)
            # Not inside the loop: what it still has to see keeps its number.
            for fd in [fd for fd, (_, until) in self.waiting.items() if until < time.monotonic()]:
                self.take(fd).close()

    def end(self):
        for pidfd in self.running:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def accept(self):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return  # gone again
        if len(self.waiting) >= WAITING_MOST:
            connection.close()
            return
        connection.setblocking(False)
        self.waiting[connection.fileno()] = connection, time.monotonic() + PATIENCE_S
        self.poll.register(connection, select.POLLIN)

    def take(self, fd):
        self.poll.unregister(fd)
        return self.waiting.pop(fd)[0]

    def answer(self, fd):
        connection, fds = self.take(fd), []
        try:
            _, uid, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
            data, fds, flags, _ = socket.recv_fds(connection, REQUEST_MOST, 2)
            whole = not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
            wanted = json.loads(data) if whole and uid == os.getuid() else None
            why = refusal(wanted, fds)
            if why:
                connection.send(json.dumps({"refused": why}).encode())
            else:
                self.fork(connection, wanted, fds)
        except (OSError, ValueError, RecursionError) as e:  # the last: lists in lists without end
            print(f"kernels: a request is not served: {e}", file=sys.stderr, flush=True)
        finally:
            for fd in fds:
                os.close(fd)

    def fork(self, connection, wanted, fds):
        pid = os.fork()
        if pid == 0:
            afresh.run_as_program(lambda: become_kernel(wanted, fds))
        pidfd = os.pidfd_open(pid)
        self.running[pidfd] = pid, connection
        self.poll.register(pidfd, select.POLLIN)
        connection.send(json.dumps({"pid": pid}).encode())

    def reap(self, pidfd):
        pid, connection = self.running.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        try:
            connection.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())
        except OSError:
            pass  # the server has closed it: it does not want to know
        connection.close()


def refusal(wanted, fds):
    """Why this kernel must be a new process; None when it can be forked."""
    if not isinstance(wanted, dict) or len(fds) != 2:
        return "the request is not understood"
    argv, env, cwd = wanted.get("argv"), wanted.get("env"), wanted.get("cwd")
    if not (isinstance(argv, list) and len(argv) > 3 and isinstance(env, dict) and isinstance(cwd, str)):
        return "the request is not understood"
    if not all(isinstance(text, str) and "\0" not in text for text in (*argv, *env, *env.values(), cwd)):
        return "the request is not understood"
    if argv[1:3] != ["-m", "ipykernel_launcher"]:
        return "not a Python kernel"
    if os.path.dirname(argv[0]) != os.path.join(sys.prefix, "bin") or not os.path.basename(argv[0]).startswith("python"):
        return "another Python"
    late = sorted(name for name in env if name.startswith(TOO_LATE))
    if late:
        return f"{late[0]} is set"
    return None


def become_kernel(wanted, fds):
    os.setsid()
    afresh.set_signals()
    out, err = (os.dup(fd) for fd in fds)
    afresh.take_output(out, err)
    afresh.set_environment(wanted["env"])
    os.chdir(wanted["cwd"])
    sys.argv = wanted["argv"][2:]
    afresh.show_as(wanted["argv"], os.path.basename(wanted["argv"][0]))
    afresh.forget_the_parent()
    gc.enable()
    app = importlib.import_module("ipykernel.kernelapp").IPKernelApp.instance()     # the one that the launcher starts
    app.extra_extensions = [*app.extra_extensions, "craton_idle"]
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
