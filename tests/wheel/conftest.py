"""The wheel under test, and bare machines that have it installed, one per CPython."""
import os
from pathlib import Path

import pytest

import bare

LOCK = Path(__file__).resolve().parents[2] / "env/requirements.lock"


@pytest.fixture(scope="session")
def wheel():
    """What tools/wheel made of this source."""
    found = sorted(Path(os.environ["CRATON_WHEELS"]).glob("craton-*.whl"))
    assert len(found) == 1, f"one wheel in {os.environ['CRATON_WHEELS']}, not {found}"
    return found[0]


@pytest.fixture(scope="session")
def unpacked(wheel, tmp_path_factory):
    place = tmp_path_factory.mktemp("unpacked")
    bare.run("python3", "-m", "zipfile", "-e", wheel, place)
    return place


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13", "3.14"])
def machine(request, wheel, tmp_path_factory):
    """(root, interpreter in it)"""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    work = tmp_path_factory.mktemp("bare") / request.param
    made = bare.make(request.param, work)
    if made is None:
        pytest.skip(f"needs python{request.param.replace('.', '-')}")
    bare.install(made[0], request.param, wheel, LOCK, work)
    return made
