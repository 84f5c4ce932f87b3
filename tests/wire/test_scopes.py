"""Scopes mean what they mean in JupyterHub: hierarchy, filters and intersections against jupyterhub.scopes."""
import json
import random
import subprocess
import warnings

from hub_client import BUILD
from jupyterhub import orm
from jupyterhub.scopes import _intersect_expanded_scopes, expand_scopes, scope_definitions

FILTERS = ["", "", "", "!user", "!server", "!service", "!user=ann", "!user=bob", "!user=b", "!server=ann/", "!server=ann/gpu", "!server=bob/",
           "!group=crew", "!group=deck", "!service=x"]


def a_set(random):
    return [name + random.choice(FILTERS if name != "inherit" else [""]) for name in random.choices(sorted(scope_definitions), k=random.randint(1, 6))]


def client(server):
    owner, _, name = server.partition("/")
    return orm.OAuthClient(identifier="c", spawner=orm.Spawner(name=name, user=orm.User(name=owner)))


def test_expansion_and_intersection():
    choose = random.Random(1)
    lines = [{"user": "ann", "server": choose.choice(["", "ann/", "ann/gpu"]), "a": a_set(choose), "b": a_set(choose)} for _ in range(1500)]
    lines += [{"user": "ann", "server": "", "a": [name], "b": ["self"]} for name in scope_definitions]
    out = subprocess.run([BUILD / "tests/unit/platform/scope_lines"], input="".join(json.dumps(line) + "\n" for line in lines), text=True,
                         capture_output=True, check=True).stdout.splitlines()
    assert len(out) == len(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line, ours in zip(lines, map(json.loads, out)):
            owner = orm.User(name=line["user"])
            # JupyterHub keeps results by the client's identifier: another one for each server
            oauth = client(line["server"]) if line["server"] else None
            if oauth:
                oauth.identifier = line["server"]
            a, b = (expand_scopes(line[key], owner=owner, oauth_client=oauth) for key in "ab")
            assert ours["a"] == sorted(a) and ours["b"] == sorted(b), line
            assert ours["both"] == sorted(_intersect_expanded_scopes(a, b)), line
