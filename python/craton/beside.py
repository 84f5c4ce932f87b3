"""A directory of one's own beside a file or store, for what is made there before it is moved into place.

It is held by a lock on itself (flock), which ends with the process, so that whoever comes later can tell what a killed call has left from what
somebody is at: by process numbers nobody can, who shares a folder with other machines, containers or people. Each call has its own, also
in threads of one process, and everything in it goes with it, what the engine has begun there too.
"""

import contextlib
import errno
import fcntl
import glob
import os
import shutil

_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_TRIES = 8


@contextlib.contextmanager
def own_directory(path):
    """Beside path, on its file system; yields its path."""
    folder, name = os.path.split(path)
    begin = os.path.join(folder, f".{name}.craton-adding-")
    _remove_left(begin)
    hidden, fd = _make(begin)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(fd)


def _make(begin):
    for _ in range(_TRIES):
        hidden = f"{begin}{os.urandom(8).hex()}"
        os.mkdir(hidden, 0o700)
        # Another call may take it for left before it is locked.
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _is_free(fd, without_locks=True) and os.path.exists(hidden):
                return hidden, fd
            os.close(fd)
    raise BlockingIOError(errno.EWOULDBLOCK, "craton: others remove what is begun here again and again; try again", begin)


def _remove_left(begin):
    """On a file system without locks it stays."""
    for left in glob.glob(glob.escape(begin) + "*"):
        with contextlib.suppress(OSError):
            fd = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if _is_free(fd, without_locks=False):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(fd)


def _is_free(fd, without_locks):
    """Locks it, if so."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        if e.errno not in _WITHOUT_LOCKS:
            raise
        return without_locks
    return True
