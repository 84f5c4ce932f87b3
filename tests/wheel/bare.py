"""Bare machines: folders to change the root into, with one CPython and what it needs of a system, nothing else.

Debian's packages of the release that has that CPython are unpacked, from an empty list of installed packages, so that apt brings the whole
closure: no compiler, no netCDF, no HDF5. A CPython that no release of Debian has is copied from this machine, with the shared libraries
that its own files name.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

RELEASES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def archive():
    """Where this machine gets Debian from."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        match = re.search(r"^URIs:\s*(\S*/debian)/?\s*$", path.read_text(), re.M)
        if match:
            return match[1]
    lines = [path.read_text() for path in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.list")] if path.exists()]
    match = re.search(r"^deb\s+(?:\[[^\]]*\]\s*)?(\S*/debian)/?\s", "\n".join(lines), re.M)
    assert match, "no package source of Debian on this machine"
    return match[1]


def apt(work, release):
    """apt-get's options for a release, with lists, a cache and an empty system of its own."""
    for name in ("lists/partial", "archives/partial", "parts", "state"):
        (work / name).mkdir(parents=True, exist_ok=True)
    (work / "state/status").touch()
    (work / "parts/release.list").write_text(f"deb [signed-by={KEYRING}] {archive()} {release} main\n")
    options = {"Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": work / "parts", "Dir::State::Lists": work / "lists",
               "Dir::State::Status": work / "state/status", "Dir::State::Extended_States": work / "state/extended",
               "Dir::Cache::Archives": work / "archives", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
               "APT::Sandbox::User": "root", "Debug::NoLocking": "true", "Acquire::Languages": "none",
               "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false"}
    return ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def merge(root):
    """Older packages have files in /lib, newer ones in /usr/lib: one folder, as on an installed system."""
    for name in ("bin", "sbin", "lib", "lib64"):
        place = root / name
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            run("cp", "-a", f"{place}/.", root / "usr" / name)
            shutil.rmtree(place)
        if not place.is_symlink():
            place.symlink_to(f"usr/{name}")


def debian_root(version, work):
    options, root = apt(work, RELEASES[version]), work / "root"
    run(*options, "update")
    # libstdc++: the manylinux platforms have it, and NumPy's and pandas' wheels rely on that
    run(*options, "install", "--no-install-recommends", "--download-only", "--yes", f"python{version}-minimal", f"libpython{version}-stdlib",
        "libstdc++6")
    for package in sorted((work / "archives").glob("*.deb")):
        run("dpkg", "-x", package, root)
    merge(root)
    shutil.rmtree(work / "archives")
    return root, f"/usr/bin/python{version}"


def local_python(version):
    """A CPython of this version that somebody installed here, or None."""
    found = shutil.which(f"python{version}")
    places = [Path(found)] if found and "shims" not in found else []
    places += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    places += sorted(Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python{version}"))
    return places[0] if places else None


def needed(path):
    """The shared libraries that a program or module is loaded with, as paths here."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    return {Path(match) for match in re.findall(r"(?:=> |^\s)(/\S+) \(0x", listed, re.M)}


def copied_root(python, version, work):
    root = work / "root"
    prefix = Path(run(python, "-c", "import sys; print(sys.base_prefix)").strip())
    program, library = prefix / "bin" / f"python{version}", prefix / "lib" / f"python{version}"
    (root / "opt/python/bin").mkdir(parents=True)
    shutil.copy2(program, root / "opt/python/bin")
    shutil.copytree(library, root / "opt/python/lib" / library.name, ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"))
    runtime = Path(run("gcc", "-print-file-name=libstdc++.so.6").strip())  # see debian_root
    libc = next(path for path in needed(program) if path.name == "libc.so.6")
    glibc = {path for name in ("pthread", "dl", "rt", "util") for path in libc.parent.glob(f"lib{name}.so.[0-9]")}
    shared = {runtime, *needed(runtime), *needed(program), *glibc}
    for module in library.glob("lib-dynload/*.so"):
        shared |= needed(module)
    for path in shared:
        for place in {path, path.resolve()}:
            (root / str(place.parent).lstrip("/")).mkdir(parents=True, exist_ok=True)
            shutil.copy2(path.resolve(), root / str(place).lstrip("/"))
    return root, f"/opt/python/bin/python{version}"


def enter(root, *command, home="/tmp"):
    """Runs a command in the root, with processes, mounts and network of its own; they end with it."""
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(exist_ok=True)
    script = 'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && root=$0 && exec /usr/sbin/chroot "$root" "$@"'
    environment = {"PATH": "/packages/bin:/usr/bin:/bin", "PYTHONPATH": "/packages", "HOME": home, "LC_ALL": "C.UTF-8"}
    return subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "sh", "-c", script, str(root), *command],
                          capture_output=True, text=True, timeout=300, env=environment)


def make(version, work):
    """(root, the interpreter in it), or None if this CPython is not to be had here."""
    work.mkdir(parents=True)
    if version in RELEASES:
        return debian_root(version, work)
    python = local_python(version)
    return copied_root(python, version, work) if python else None


def locked(names, lock):
    """The rows of a lock for some packages, with their hashes."""
    rows = {match[1]: match[0] for match in re.finditer(r"^([a-z0-9-]+)==.*(?:\n    --hash.*)*", lock.read_text(), re.M)}
    return "\n".join(rows[name] for name in names) + "\n"


def install(root, version, wheel, lock, work):
    """NumPy, xarray and what xarray cannot be without, as locked; then the wheel. From outside: the root has no pip."""
    wanted = work / "wanted.txt"
    wanted.write_text(locked(("numpy", "pandas", "xarray", "packaging", "python-dateutil", "six"), lock))
    common = ["uv", "--no-progress", "pip", "install", "--no-config", "--no-deps", "--only-binary", ":all:", "--python-version", version,
              "--python-platform", "x86_64-manylinux_2_36", "--target", root / "packages"]
    run(*common, "--require-hashes", "-r", wanted)
    run(*common, "--offline", "--no-index", wheel)
    return sorted(os.listdir(root / "packages"))
