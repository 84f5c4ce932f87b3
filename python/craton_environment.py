"""craton_environment: packages of one's own, beside those that a platform has for everybody.

    python -m craton_environment NAME            makes it: a kernel of this name in JupyterLab
    python -m craton_environment --remove NAME   removes it, with all that was installed into it

On a Craton platform nobody but its operator can change the Python of the notebooks. This makes a virtual environment, ~/environments/NAME, on top of it: what
is installed for everybody is there, `pip install` puts packages of one's own before it, and nothing that one installs there can keep the server from starting.
It follows the platform's upgrades. The packages count for notebooks with this kernel, not for workers of a Dask cluster.
"""
import json
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
TAKEN = {"python3", "ir"}      # kernels that are there for everybody


class Refused(Exception):
    pass


def base_packages():
    """Where the packages of this Python lie, by the path that stays when the platform is upgraded."""
    prefix, packages = Path(sys.prefix), Path(sysconfig.get_path("purelib"))
    current = prefix.parent / "current"
    if current.exists() and current.resolve() == prefix.resolve():
        return current / packages.relative_to(prefix)
    return packages


def places(name):
    """The environment, and its kernel's description."""
    from jupyter_core.paths import jupyter_data_dir

    return Path.home() / "environments" / name, Path(jupyter_data_dir()) / "kernels" / name


def check(name):
    if not NAME.fullmatch(name) or name in TAKEN:
        raise Refused(f"'{name}' cannot be its name: take small letters, digits, '.', '_' and '-', 40 at most, and none of {', '.join(sorted(TAKEN))}")


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def make(name):
    import venv          # not for every kernel, which loads this module

    check(name)
    folder, kernel = places(name)
    for there in (folder, kernel):
        if there.exists():
            raise Refused(f"{there} is there already: take another name, or --remove {name} first")
    if sys.prefix != sys.base_prefix and not base_packages().exists():
        raise Refused(f"{base_packages()} is not there: is this the Python of a notebook?")
    try:
        # Without pip of its own, which is among the packages of the platform, it is there at once.
        venv.EnvBuilder(symlinks=True, with_pip=False, prompt=name).create(folder)
        python = folder / "bin/python"
        packages = next((folder / "lib").glob("python3*/site-packages"))
        (packages / "craton_platform.pth").write_text(f"import site; site.addsitedir({str(base_packages())!r})\n")
        for program in ("pip", "pip3"):
            write_program(folder / "bin" / program, f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text(json.dumps({
            "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": name, "language": "python",
            "metadata": {"debugger": True}, "env": {"PATH": f"{folder}/bin:${{PATH}}", "VIRTUAL_ENV": str(folder)}}, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(kernel, ignore_errors=True)
        raise
    print(f"{folder} is ready. In JupyterLab choose the kernel '{name}' (Kernel, Change Kernel; the list may need a moment);\n"
          f"in a notebook with it `%pip install PACKAGE`, in a terminal `{folder}/bin/pip install PACKAGE`.")


def remove(name):
    check(name)
    folder, kernel = places(name)
    if not (folder / "pyvenv.cfg").is_file():
        raise Refused(f"there is no environment {folder}")
    shutil.rmtree(kernel, ignore_errors=True)
    shutil.rmtree(folder)
    print(f"{folder} and its kernel are removed.")


def main():
    import argparse

    parser = argparse.ArgumentParser(prog="python -m craton_environment", description="Packages of your own, beside those that are there for everybody.")
    parser.add_argument("--remove", action="store_true", help="remove it, with all that was installed into it")
    parser.add_argument("name", metavar="NAME", help="small letters, digits, '.', '_', '-'")
    asked = parser.parse_args()
    try:
        (remove if asked.remove else make)(asked.name)
    except (Refused, OSError) as why:
        sys.exit(f"craton_environment: {why}")


# ---- in a notebook ----

ADVICE = """The Python of these notebooks is the same for everybody, and cannot be changed from here. For packages of your own make an environment on top of it,
once, and take its kernel:

    !python -m craton_environment mine

then Kernel, Change Kernel, "mine", and %pip install there. More: !python -m craton_environment --help"""


def load_ipython_extension(shell):
    """`%pip install` into a Python that belongs to root says what to do, in the place of pip's "Permission denied". Everything else is pip's as it was."""
    if os.access(sysconfig.get_path("purelib"), os.W_OK):
        return

    def guarded(line):
        words = line.split()
        if words[:1] == ["install"] and not any(word.startswith(("-t", "--target", "--prefix", "--root", "--help", "-h", "--dry-run")) for word in words):
            print(ADVICE)
        else:
            from IPython.core.magics.packaging import PackagingMagics

            PackagingMagics(shell=shell).pip(line)

    shell.register_magic_function(guarded, "line", "pip")


if __name__ == "__main__":
    main()
