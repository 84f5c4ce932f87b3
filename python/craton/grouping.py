"""Groups of a Zarr store: to_zarr(group="a/b"). The group is written as a store of its own at its place; here its parents are made, and the
consolidated metadata above it are told.

Every writer of a group tells them under one lock per store: a lock (flock) on the file of the root's metadata, held only while they are read
and replaced. Killed before that, what reads consolidated metadata does not see the group, until the same is written again or the store is
consolidated: of one that is replaced the old metadata are taken away after the new values are written and before they become visible, so that no
old shape or codec meets new chunks. (A write with resume is the exception: there they stay until the end.)
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import time

_LOCK_SECONDS = 120
_NAME_BYTES = 200
_DEPTH = 50
_EMPTY = {"kind": "inline", "must_understand": False, "metadata": {}}


def normal(group):
    """The names of a group's path; empty for the root."""
    names = [n for n in str(group or "").split("/") if n]
    for name in names:
        if name.startswith(".") or len(name.encode()) > _NAME_BYTES or any(ord(c) < 32 or ord(c) == 127 for c in name) or name == "zarr.json":
            raise ValueError(f"craton: {name!r} cannot be the name of a group (in group={group!r})")
    if len(names) > _DEPTH:
        raise ValueError(f"craton: group={group!r} is deeper than {_DEPTH}")
    return names


def make_parents(root, names, version, consolidated=True):
    """Makes the groups above, as far as they are not there; consolidated: of a new root."""
    if os.path.lexists(root) and not os.path.isdir(root):
        raise FileExistsError(errno.EEXIST, "craton: it is no Zarr store", root)
    for depth in range(len(names)):
        path = os.path.join(root, *names[:depth])
        found = version_of(path)
        if found not in (None, version):
            raise ValueError(f"craton: {path} is Zarr version {found}; a group of version {version} cannot be written into it. Pass zarr_format={found}")
        if found is None and depth == 0 and _is_of_others(path):
            raise FileExistsError(errno.EEXIST, "craton: the directory exists and is no Zarr store; no group is written into it", path)
        if _is_array(path, found):
            raise ValueError(f"craton: {path} is an array, so {'/'.join(names)!r} cannot be a group below it")
        os.makedirs(path, exist_ok=True)
        if found is None or _is_begun(path, found):
            _make_group(path, version, depth == 0 and consolidated)


def _is_of_others(path):
    """Whether a directory that had no metadata has files of somebody else. Another writer may be making a store of it at this moment: its
    files do not count before the metadata are in place, and afterwards there are some."""
    names = os.listdir(path) if os.path.isdir(path) else []
    return any(not _is_temporary(n) for n in names) and version_of(path) is None


def _is_begun(path, version):
    """A root of version 2 is made in three steps; another writer does them, or was killed before the last."""
    return version == 2 and not any(os.path.exists(os.path.join(path, n)) for n in (".zgroup", ".zarray"))


def version_of(path):
    if os.path.exists(os.path.join(path, "zarr.json")):
        return 3
    return 2 if any(os.path.exists(os.path.join(path, n)) for n in (".zgroup", ".zarray", ".zmetadata")) else None


def _is_array(path, version):
    return version == 2 and os.path.exists(os.path.join(path, ".zarray")) or \
        version == 3 and _read(os.path.join(path, "zarr.json")).get("node_type") == "array"  # fmt: skip


def _make_group(path, version, consolidated):
    """Several writers may do so at once; one file wins. A new root has consolidated metadata from its beginning, unless it is to have none."""
    if version == 3:
        document = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        if consolidated:
            document["consolidated_metadata"] = _EMPTY
        return _create(os.path.join(path, "zarr.json"), document)
    if consolidated:
        _create(os.path.join(path, ".zmetadata"), {"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}, ".zattrs": {}}})
    _create(os.path.join(path, ".zattrs"), {})
    return _create(os.path.join(path, ".zgroup"), {"zarr_format": 2})


def _create(path, document):
    temporary = f"{path}.{os.getpid()}.{time.monotonic_ns()}.tmp"  # _is_temporary knows the form
    try:
        _save(temporary, document)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _is_temporary(name):
    return re.fullmatch(r"(zarr\.json|\.zmetadata|\.zattrs|\.zgroup)\.\d+\.\d+\.tmp", name) is not None


# ---- the consolidated metadata above a group ----


def tell(root, names, is_new):
    """What lies at and below a group now, in the consolidated metadata of all groups above it that have any.

    is_new: the engine wrote it as a store. Its own consolidated metadata go, as zarr-python has none below the root either: other programs
    tell the root alone of what they change, and such metadata would hide it."""
    version = version_of(root)
    with locked(root, version):
        if is_new:
            _drop_own(os.path.join(root, *names), version)
        for document, metadata, where, above, below in _above(root, names, version):
            _replace_below(metadata, above, below, version)
            _replace(where, document)


def forget(root, names):
    """Takes a group out of the consolidated metadata above it, because it is about to be replaced."""
    version = version_of(root)
    with locked(root, version):
        for document, metadata, where, _, below in _above(root, names, version):
            prefix = "/".join(below)
            for key in [k for k in metadata if k == prefix or k.startswith(prefix + "/")]:
                del metadata[key]
            _replace(where, document)


def _above(root, names, version):
    """(document, metadata, file, group, names below it) of all groups above that have consolidated metadata."""
    for depth in reversed(range(len(names))):
        above, below = os.path.join(root, *names[:depth]), names[depth:]
        where = os.path.join(above, "zarr.json" if version == 3 else ".zmetadata")
        if not os.path.exists(where):
            continue
        document = _read(where)
        metadata = document.get("consolidated_metadata") if version == 3 else document
        metadata = (metadata or {}).get("metadata")
        if metadata is not None:
            yield document, metadata, where, above, below


def drop_consolidated(root):
    """Of a store that was just written: what is in them is in the metadata of its arrays too."""
    version = version_of(root)
    with locked(root, version):
        _drop_own(root, version)


def _drop_own(path, version):
    if version == 2:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, ".zmetadata"))
        return
    document = _read(os.path.join(path, "zarr.json"))
    if document.pop("consolidated_metadata", None) is not None:
        _replace(os.path.join(path, "zarr.json"), document)


def _replace_below(metadata, above, below, version):
    prefix = "/".join(below)
    for key in [k for k in metadata if k == prefix or k.startswith(prefix + "/")]:
        del metadata[key]
    for depth in range(1, len(below)):
        _take(metadata, above, "/".join(below[:depth]), version)
    pending = [prefix]
    while pending:
        node = pending.pop()
        if not _take(metadata, above, node, version):
            continue
        for entry in sorted(os.scandir(os.path.join(above, node)), key=lambda e: e.name):
            if entry.is_dir() and not entry.name.startswith("."):
                pending.append(f"{node}/{entry.name}")
    _sort(metadata, version)


def add_arrays(metadata, path, names, version):
    """Arrays of a group that are new, into consolidated metadata of it; the caller holds the lock and writes them."""
    for name in names:
        _take(metadata, path, name, version)
    if names:
        _sort(metadata, version)


def _sort(metadata, version):
    """Level by level, siblings together: in another order zarr-python cannot make a tree of it, and says that there is no group."""
    nodes = {key: key if version == 3 else key.rpartition("/")[0] for key in metadata}
    for key in sorted(metadata, key=lambda k: (nodes[k] != "", nodes[k].count("/"), nodes[k], k)):
        metadata[key] = metadata.pop(key)


def _take(metadata, above, node, version):
    """Adds one node; whether it is a group, below which there may be more."""
    path = os.path.join(above, node)
    if version == 3:
        if not os.path.exists(os.path.join(path, "zarr.json")):
            return False
        document = _read(os.path.join(path, "zarr.json"))
        is_group = document.get("node_type") == "group"
        metadata[node] = {**document, "consolidated_metadata": _EMPTY} if is_group else document
        return is_group
    found = [n for n in (".zgroup", ".zarray", ".zattrs") if os.path.exists(os.path.join(path, n))]
    for name in found:
        metadata[f"{node}/{name}"] = _read(os.path.join(path, name))
    return ".zgroup" in found


@contextlib.contextmanager
def locked(root, version):
    """While the metadata of a store are read and replaced, by an append to it too. The file may be replaced by who held the lock before: then
    the lock is asked for again, on the new one."""
    path = os.path.join(root, "zarr.json" if version == 3 else ".zgroup")
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _lock(fd, deadline, root) and os.path.samestat(os.fstat(fd), os.stat(path)):
                yield
                return
        finally:
            os.close(fd)


def _lock(fd, deadline, root):
    """False: not yet."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if time.monotonic() > deadline:
            raise TimeoutError(f"craton: the metadata of {root} have been locked by another writer for {_LOCK_SECONDS} seconds; try again") from None
        time.sleep(0.01)
        return False
    except OSError as e:
        if e.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # a file system without locks
            raise
    return True


def _read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def _save(path, document):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(document, f)
        f.flush()
        os.fsync(f.fileno())


def _replace(path, document):
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        _save(temporary, document)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
