"""What the software environment alone decides, found out once in the parent instead of in every fork of it.

Answers of functions that are asked again and again at each start and say the same to everybody: nothing here depends on the user, the home
or the environment variables. Each is asked anew when what it was read from has changed.
"""
import functools
import os
import sys


def remember():
    remember_entry_points()


def as_of(folders):
    """Changes when something is installed into one of these folders or removed."""
    return tuple((folder, os.stat(folder).st_mtime_ns if os.path.exists(folder) else None) for folder in folders)


def remember_entry_points():
    """importlib.metadata reads a file of each installed package for each question; a start of JupyterLab asks seven times."""
    import importlib.metadata

    ask = importlib.metadata.entry_points
    known = {}     # of one state of sys.path

    @functools.wraps(ask)
    def entry_points(**wanted):
        now = as_of(sys.path)
        if now not in known:
            everything = ask()
            known.clear()
            known[now] = everything
        return known[now].select(**wanted) if wanted else ask()

    importlib.metadata.entry_points = entry_points
