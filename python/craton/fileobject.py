"""Files that lie at no path on this machine: bytes in memory, and objects that seek and read (io, fsspec, s3fs, zipfile).

The engine asks for what it needs, a chunk at a time. Such an object has one position, so one thread reads at a time; whoever wants all cores, or sends
arrays to other machines, opens a path.
"""

import io
import itertools
import os
import threading

_serial = itertools.count(1)
_renewing = threading.Lock()


def _forget_lock():
    global _renewing
    _renewing = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock)


def file_object(thing):
    """What engine="craton" opens for an object that is no path: a FileObject, or the path of a local file, which threads read side by side."""
    if isinstance(thing, (bytes, bytearray, memoryview)):
        return FileObject(io.BytesIO(thing))
    kind = type(thing).__name__
    if isinstance(thing, io.TextIOBase):
        raise TypeError(f"craton: this {kind} reads text; open the file with mode 'rb'")
    if not all(callable(getattr(thing, name, None)) for name in ("seek", "read", "tell")):
        hint = "; .open() gives one" if callable(getattr(thing, "open", None)) else ""
        raise TypeError(f"craton: engine='craton' opens paths, bytes, and files that were opened for reading in binary mode, not {kind} objects{hint}")
    if not getattr(thing, "seekable", lambda: True)():
        raise TypeError(f"craton: this {kind} cannot seek; read it into memory first: xr.open_dataset(f.read(), engine='craton')")
    return _local_path(thing) or FileObject(thing)


def _local_path(thing):
    raw = getattr(thing, "raw", None) if isinstance(thing, io.BufferedReader) else thing
    name = getattr(raw, "name", None)
    if not isinstance(raw, io.FileIO) or not isinstance(name, (str, bytes)):
        return None
    try:
        name = os.path.abspath(os.fsdecode(name))
        return name if os.path.samestat(os.stat(name), os.fstat(raw.fileno())) and os.path.isfile(name) else None
    except (OSError, ValueError):                             # gone from there, or closed
        return None


class FileObject:
    """Pickles with its object, where that can be pickled."""

    def __init__(self, file):
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        if not isinstance(self.size, int):                    # seek of some says nothing
            self.size = file.tell()
        self._begin()

    def _begin(self):
        self.name = f"<{type(self.file).__name__} {next(_serial)}>"
        self._lock, self._process = threading.Lock(), os.getpid()

    def read(self, offset, view):
        if self._process != os.getpid():
            self._after_fork()
        with self._lock:
            self.file.seek(offset)
            done = 0
            while done < len(view):
                part = self.file.read(len(view) - done)
                if not part:
                    raise OSError(f"craton: {self.name} ends at byte {offset + done}; it had {self.size} when it was opened")
                view[done : done + len(part)] = part
                done += len(part)

    def _after_fork(self):
        """Parent and child would move one position of an open file; a lock that another thread held is never given back here."""
        if not isinstance(self.file, io.BytesIO):
            raise OSError(f"craton: {self.name} was opened before this process was forked; open it again here")
        with _renewing:     # several threads of the child come here at once, and one lock has to be for all
            if self._process != os.getpid():
                self._lock, self._process = threading.Lock(), os.getpid()

    def __getstate__(self):
        return {"file": self.file, "size": self.size}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._begin()

    def __repr__(self):
        return self.name
