"""The two units of recipes/systemd: their names are an agreement with src/platform/runner/cgroup.c, their keys one with systemd."""
import configparser
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
UNITS = SOURCE / "recipes/systemd"


def unit(name):
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text())
    return parser


def test_the_servers_unit_is_there_before_cratond():
    hub = unit("craton.service")["Unit"]
    assert hub["Requires"] == "craton-servers.service"  # cratond looks for its own unit's name with -servers behind it
    assert "craton-servers.service" in hub["After"].split()


def test_the_servers_unit_outlives_every_one_of_its_processes():
    service = unit("craton-servers.service")["Service"]
    assert service["Type"] == "forking" and service["GuessMainPID"] == "no"
    assert {"cpu", "memory", "pids"} <= set(service["Delegate"].split())
    assert service["OOMPolicy"] == "continue"  # else one person's memory limit ends everybody's work
    assert service["Restart"] == "always"


def test_stopping_cratond_ends_cratond_only():
    assert unit("craton.service")["Service"]["KillMode"] == "process"


@pytest.mark.parametrize("name", ["craton.service", "craton-servers.service"])
def test_up_installs_and_removes_it(name):
    scripts = "".join(p.read_text() for p in (SOURCE / "tools/up").glob("*.sh"))
    assert f"={name}" in scripts
