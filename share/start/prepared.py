"""A prepared parent: imports what many processes of users import, then forks one for each start. Says so once with "ready".

    python3 prepared.py LIST PADDING     descriptor 3: a socket pair to cratond; PADDING: room for the arguments that ps shows

There are three. LIST `modules` makes the parent of user servers, LIST `kernel-modules` that of the processes from which a user's
kernels are forked (kernels.py), LIST `cluster-modules` that of the schedulers and workers of Dask clusters.

A start is one datagram with two descriptors, of which the parent reads nothing: TALK, a socket to cratond, and LOG. It forks. The fork
(the intermediate) says "i" on TALK, waits until cratond has put it into the user's control group, and only then reads the request: so
secrets never are in the parent's memory, and whatever the request costs is the user's. It forks again; that child says "c", waits for
cratond's word, gives up its rights, becomes the user and runs the program as `python3 PROGRAM` would. cratond is the child's parent
(PR_SET_CHILD_SUBREAPER), takes both pids from the kernel (SCM_CREDENTIALS), and believes none that is written here.

As root the parent is the root of a user namespace in which only itself and the accounts' user ids exist; real root it is never.
docs/decisions/0005 says why. src/platform/runner/prepared.c is the other side.
"""
import array
import ctypes
import gc
import importlib
import os
import runpy
import signal
import socket
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [HERE, *(entry for entry in sys.path if entry != HERE)]
import afresh  # noqa: E402
import kernels  # noqa: E402
import remembered  # noqa: E402

sys.path.remove(HERE)

CONTROL_FD = 3
MAGIC = 0x43525054
HEAD = struct.Struct("=IIIIIiII")      # magic, uid, gid, open files, processes, oom score, number of texts, bytes of texts
UNCHANGED = 0xFFFFFFFF                 # uid: stay who you are; limits: leave
TEXTS_MOST = 256 << 10

# What these packages do when they are imported depends on the user, the home or the environment, and cannot be set anew (afresh.py) or
# is not worth it. If one of them is in memory after preparing, something in the list has brought it in, and the parent refuses to serve.
TAINTED = {
    "modules": {"jupyterhub.services.auth", "jupyterhub.singleuser", "jupyterhub.app", "jupyterlab.labhubapp", "dask", "distributed", "numpy",
                "pandas", "matplotlib", "fsspec", "zarr", "jedi", "dask_gateway"},
    "kernel-modules": {"jupyterhub", "jupyterlab", "jupyter_server", "distributed", "matplotlib", "dask_gateway"},
    # Dask's own modules keep what they find in files of the home, in the environment and of the control group when they are imported.
    "cluster-modules": {"jupyterhub", "jupyterlab", "jupyter_server", "IPython", "dask", "distributed", "dask_gateway", "matplotlib", "jedi"},
}

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_CAPBSET_DROP = 1, 4, 15, 24
libc = ctypes.CDLL(None, use_errno=True)


def prepare(path):
    """Imports what the list names; one module that is gone or does not import is no reason to start slowly."""
    with open(path) as f:
        names = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    before = dict(os.environ)
    remembered.remember()
    with afresh.watched_environment():
        for name in names:
            if name in sys.modules:
                continue
            try:
                importlib.import_module(name)
            except Exception:  # a package may raise anything
                pass
    afresh.set_by_imports = {key: value for key, value in os.environ.items() if before.get(key) != value}
    remembered.remember_imported()
    tainted = sorted(TAINTED[os.path.basename(path)] & sys.modules.keys())
    if tainted:
        sys.exit(f"prepared parent: {', '.join(tainted)} must not be imported before the user is known")
    if len(os.listdir("/proc/self/task")) != 1:
        sys.exit("prepared parent: an import has started a thread")
    gc.collect()
    gc.freeze()


def receive_start(control):
    """The two descriptors of a start; None when cratond is gone."""
    fds = array.array("i")
    data, ancillary, _, _ = control.recvmsg(16, socket.CMSG_SPACE(2 * fds.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
    if not data:
        return None
    if len(fds) != 2:
        sys.exit("prepared parent: a start without its descriptors")
    return fds[0], fds[1]


def read_exactly(fd, n):
    parts = []
    while n:
        part = os.read(fd, min(n, 65536))
        if not part:
            os._exit(0)  # cratond gave up
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def intermediate(talk, log):
    """Between the parent and the program: joins the control group, reads the request, forks."""
    os.write(talk, b"i")               # the kernel adds our pid; cratond moves it into the group before it answers
    magic, uid, gid, files, processes, oom, count, size = HEAD.unpack(read_exactly(talk, HEAD.size))
    if magic != MAGIC or size > TEXTS_MOST:
        os._exit(120)
    texts = read_exactly(talk, size).split(b"\0")
    if len(texts) != count + 1 or len(texts) < 5:
        os._exit(120)
    if os.fork() != 0:
        os._exit(0)
    groups = [int(g) for g in texts[2].split(b",") if g]
    become(talk, log, uid, gid, groups, files, processes, oom)
    home, arguments, environment = texts[0], int(texts[1]), texts[3:-1]
    serve(os.fsdecode(home), [os.fsdecode(a) for a in environment[:arguments]], environment[arguments:])


def become(talk, log, uid, gid, groups, files, processes, oom):
    """The user, for good: the order of src/platform/runner/confine.c. no_new_privs and the system-call filter are inherited."""
    import resource

    os.setsid()
    afresh.set_signals()
    os.write(talk, b"c")
    read_exactly(talk, 1)              # cratond knows us; had it given up, we would end here
    afresh.take_output(log, log)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if files != UNCHANGED:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if processes != UNCHANGED:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    with open("/proc/self/oom_score_adj", "w") as f:
        f.write(str(oom))
    os.umask(0o022)
    if uid != UNCHANGED:
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        if os.getresuid() != (uid, uid, uid) or can_be_root_again():
            os._exit(126)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)   # /proc/self belongs to the user again


def can_be_root_again():
    try:
        os.setuid(0)
    except OSError:
        return False
    return True


def serve(home, arguments, environment):
    """The program of the request: a script of the environment, which is a server or `dask`; or kernels.py, which is here already."""
    def run():
        wanted = dict(os.fsdecode(line).split("=", 1) for line in environment)
        os.chdir(home)
        sys.argv = arguments[1:]
        program = os.path.basename(sys.argv[0])
        if afresh.was_asked_for(wanted):
            os.execve(arguments[0], arguments, wanted)
        afresh.set_environment(wanted)
        afresh.show_as(arguments, program)
        if program == "kernels.py":
            kernels.main(*sys.argv[1:])
            return
        afresh.forget_the_parent()
        gc.enable()
        sys.path.insert(0, os.path.dirname(sys.argv[0]))
        runpy.run_path(sys.argv[0], run_name="__main__")

    afresh.run_as_program(run)


def main():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NAME, b"craton-start", 0, 0, 0)
    gc.disable()
    prepare(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)   # intermediates are not waited for; programs that ran until now were
    control = socket.socket(fileno=CONTROL_FD)
    control.send(b"ready")
    while (start := receive_start(control)) is not None:
        talk, log = start
        if os.fork() == 0:
            try:
                control.close()
                intermediate(talk, log)
            finally:
                os._exit(121)
        os.close(talk)
        os.close(log)


if __name__ == "__main__":
    main()
