"""After a fork from a prepared parent: what modules remember of the time, the user, the home and the environment, set anew.

The environment and the working directory are those of the child when this runs. Each part says which module needs it; a module that is
not in memory needs nothing.
"""
import contextlib
import ctypes
import importlib
import os
import signal
import sys

PR_SET_NAME = 15
M_TRIM_THRESHOLD = -1
libc = ctypes.CDLL(None, use_errno=True)
asked_by_imports = set()   # names of variables that modules of the parent have looked for when they were imported
set_by_imports = {}    # variables that modules of the parent have set when they were imported, for others of their kind


def set_signals():
    """As a new Python process has them."""
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def set_environment(wanted):
    os.environ.clear()
    os.environ.update(wanted)
    for name, value in set_by_imports.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def watched_environment():
    """Notes which variables are looked for inside the block."""
    look = os._Environ.__getitem__

    def noting(self, name):
        if isinstance(name, str):
            asked_by_imports.add(name)
        return look(self, name)

    os._Environ.__getitem__ = noting
    try:
        yield
    finally:
        os._Environ.__getitem__ = look


def was_asked_for(wanted):
    """Variables of the hub among these that a module has looked for in the parent, which has none of them: a program that is given one must be
    started, not forked. cratond gives none today; a later JupyterHub may look for more."""
    return sorted(name for name in asked_by_imports & wanted.keys() if name.startswith(("JUPYTERHUB_", "JPY_")))


def take_output(out, err):
    """Descriptors 0 to 2, and no others."""
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 65536)


def show_as(arguments, name):
    """What ps shows: the arguments are written over those of the parent, which were made long enough."""
    with open("/proc/self/stat", "rb") as f:
        fields = f.read().rpartition(b")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if begin and end > begin:
        line = b"\0".join(os.fsencode(a) for a in arguments)[:end - begin - 1]
        ctypes.memmove(begin, line.ljust(end - begin, b"\0"), end - begin)
    libc.prctl(PR_SET_NAME, os.fsencode(name)[:15], 0, 0, 0)


def run_as_program(run):
    """Calls run() as the interpreter runs a program, and ends the process as it does. Never returns."""
    import atexit
    import threading
    import traceback

    code = 1
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:  # as the interpreter does at the top
        traceback.print_exc()
    finally:
        try:
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code & 255)


def forget_the_parent():
    import random
    import site
    import tempfile
    import time

    random.seed()
    tempfile.tempdir = None
    tempfile._name_sequence = None
    site.USER_BASE = site.USER_SITE = None
    time.tzset()
    trim_memory()
    for name, part in PARTS.items():
        if name in sys.modules:
            part(sys.modules[name])


def reload(module):
    importlib.reload(module)


def name_session(module):
    """Session.username was taken from $USER when it was imported."""
    set_default(module.Session, "username", os.environ.get("USER", "username"))


def new_key(module):
    """Processes with the same key could sign in to each other's multiprocessing servers."""
    module.current_process().authkey = os.urandom(32)


def reread_dask(module):
    module.paths = module._get_paths()
    module.PATH = os.environ.get("DASK_CONFIG") or os.path.join(os.path.expanduser("~"), ".config", "dask")
    module.refresh()


def reread_fsspec(module):
    """Others hold the dictionary itself."""
    conf = module.conf
    importlib.reload(module)
    conf.clear()
    conf.update(module.conf)
    module.conf = conf


def reread_zarr(module):
    from donfig import Config

    fresh = Config("zarr")
    module.config.paths, module.config.main_path = fresh.paths, fresh.main_path
    module.config.refresh()


def move_jedi_cache(module):
    module.cache_directory = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jedi")


def move_parso_cache(module):
    module._default_cache_path = module._get_default_cache_path()


def find_lab_folders(module):
    """Where LabApp keeps settings and workspaces was taken from the home when the class was made."""
    for name, folder in (("user_settings_dir", module.get_user_settings_dir()), ("workspaces_dir", module.get_workspaces_dir())):
        set_default(module.LabApp, name, folder)


def set_default(owner, name, value):
    """Of a trait: its class, and the copies that each subclass keeps."""
    getattr(owner, name).default_value = value
    for one in [owner, *owner.__subclasses__()]:
        values = one.__dict__.get("_static_immutable_initial_values")
        if values is not None and name in values:
            values[name] = value


def build_nothing(module):
    """JupyterLab runs node in every server to learn where yarn gets packages for builds. Users cannot build below a prefix of root's; this is
    the answer that JupyterLab gives itself where there is no node."""
    if hasattr(module, "_yarn_config"):
        module._yarn_config = lambda logger: {"yarn config": {}, "npm config": {}}


def see_proxy(module):
    """JupyterLab's extension manager looks for a proxy when it is imported."""
    if any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY")):
        importlib.reload(module)
        sys.modules["jupyterlab.extensions"].PyPIExtensionManager = module.PyPIExtensionManager


def trim_memory():
    """The C library reads it when a process begins."""
    threshold = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    if threshold.isdigit():
        libc.mallopt(M_TRIM_THRESHOLD, min(int(threshold), 2**31 - 1))


def take_back_handler(module):
    """Bokeh gives its logger a handler when it finds none: Dask, which is imported before it otherwise, has given it one by then."""
    if module.default_handler is not None:
        module.bokeh_logger.removeHandler(module.default_handler)
        module.bokeh_logger.propagate = True
        module.default_handler = None


def seed_numpy(module):
    module.seed()


def set_threads(_):
    """The parent's linear algebra has one thread, so that the parent has one: now as many as the environment says, or all."""
    said = (os.environ.get(name, "") for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"))
    threads = next((int(n) for n in said if n.isdigit() and int(n)), len(os.sched_getaffinity(0)))
    with open("/proc/self/maps") as f:
        libraries = {line.split(None, 5)[5].strip() for line in f if "openblas" in line}
    for path in libraries:
        library = ctypes.CDLL(path)
        for prefix in ("scipy_openblas", "openblas"):
            for suffix in ("64_", ""):
                call = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if call is not None:
                    call(threads)


PARTS = {
    "multiprocessing.process": new_key,
    "send2trash.plat_other": reload,       # keeps the home's trash; its functions look names up in this same module
    "jupyter_client.session": name_session,
    "jupyterlab.labapp": find_lab_folders,
    "jupyterlab.commands": build_nothing,
    "jupyterlab.extensions.pypi": see_proxy,
    "dask.config": reread_dask,
    "fsspec.config": reread_fsspec,
    "zarr.core.config": reread_zarr,
    "jedi.settings": move_jedi_cache,
    "parso.cache": move_parso_cache,
    "bokeh.util.logconfig": take_back_handler,
    "numpy.random": seed_numpy,
    "numpy._core._multiarray_umath": set_threads,
}
