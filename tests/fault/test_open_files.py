"""A machine, unit or container that allows few open files: what the limit allows must do, or it is said."""
import os
import subprocess

import pytest
from hub_client import Platform


def test_few_open_files_and_no_right_to_more():
    """Root of a container often lacks CAP_SYS_RESOURCE: what the limit allows must do."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    p = Platform()
    plain = p.cratond
    p.cratond = lambda *more: ["bash", "-c", 'ulimit -n 1024; exec "$@"', "-", "setpriv", "--bounding-set", "-sys_resource", *plain(*more)]
    try:
        p.start()
        p.cratond = plain
        assert p.administrator().get("/hub/home").status == 200
    finally:
        p.cratond = plain
        p.stop()
        subprocess.run(["rm", "-rf", str(p.folder)], check=True)


def test_too_few_open_files():
    p = Platform()
    try:
        told = subprocess.run(["bash", "-c", 'ulimit -n 200; exec "$@"', "-", *p.cratond("--port", str(p.port))], capture_output=True, text=True, timeout=60)
        assert told.returncode != 0 and "may have 200 open files" in told.stderr and "LimitNOFILE" in told.stderr
        assert not p.run.exists()
    finally:
        subprocess.run(["rm", "-rf", str(p.folder)], check=True)
