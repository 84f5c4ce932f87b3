"""What ends by the word of an identity provider: who loses a group or a right there has given at others' servers what ends in the same transaction, and
whoever is in by it is put out. The same for what ends by a deed here: a group that the server's person leaves, a password that is changed."""
import itertools
import sqlite3
import time

import pytest
from hub_client import PASSWORD, Person, running, wait_for
from provider_client import Programmable, sign_in_at, write_provider
from test_session import Lab, start
from test_shares import ROLE, accept, audit, enter, give, is_cut, refused, shared_with

TUTOR = ("scope = access:servers!group=course\nscope = shares!group=course\nscope = tokens!group=course\nscope = read:users:name\n"
         "group = odd:tutors\ngroup = helpers\n")
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def hub():
    def before(p):
        p.odd = odd
        write_provider(p, "odd", [f"issuer = {odd.issuer}", "client-id = craton-hub", "groups-claim = groups", "allow = members", "admin = chiefs"],
                       "a:secret & more")
        (p.folder / "state/roles").mkdir(mode=0o711)
        (p.folder / "state/roles/user.conf").write_text(ROLE)
        (p.folder / "state/roles/tutor.conf").write_text(TUTOR)

    with Programmable() as odd, running(before=before) as p:
        yield p


@pytest.fixture(scope="module")
def people(hub):
    root = hub.administrator("root1")
    people = {"root1": root, **{name: hub.add_person(root, name) for name in ("ada", "bob")}}
    for name, person in people.items():
        person.name = name
    assert root.api("POST", "/hub/api/groups/course", {"users": ["ada"]}).status == 201
    assert root.api("POST", "/hub/api/groups/helpers", {"users": []}).status == 201
    return people


@pytest.fixture(scope="module")
def ada(people):
    start(people["ada"])
    assert Lab(people["ada"]).open().status == 200
    return people["ada"]


def database(hub):
    return sqlite3.connect(hub.folder / "state/hub/hub.sqlite", timeout=10)


def out_ms(hub, forget=False):
    """When what is open to ada's server is cut; 0: it is not."""
    with database(hub) as db:
        if forget:
            db.execute("UPDATE servers SET guests_out_ms = 0")
        return db.execute("SELECT guests_out_ms FROM servers s JOIN users u ON u.id = s.user_id WHERE u.name = 'ada'").fetchone()[0]


def is_put_out(hub):
    return 30 < out_ms(hub) / 1000 - time.time() < 66


def come(hub, person, *groups):
    """Signs in at the provider, which has just asked the person, and names these groups; in another browser, when it is not for the first time."""
    hub.odd.claims = {"sub": person.name, "preferred_username": person.name, "groups": list(groups), "auth_time": int(time.time())}
    return sign_in_at(Person(hub) if "__Host-craton-login" in person.jar or "craton-login" in person.jar else person, hub.odd)


@pytest.fixture
def tina(hub):
    person = Person(hub)
    person.name = f"tina{next(numbers)}"
    person.proves = False
    return person


def rows(hub):
    return audit(hub, 100000)


def ended_by_the_hub(hub, first):
    """What the hub itself has written into the audit log since it had so many rows."""
    return [row for row in rows(hub)[first:] if row[2] == "hub"]


def test_a_group_that_is_not_named_any_more(hub, people, ada, tina):
    bob = people["bob"]
    assert come(hub, tina, "members", "tutors").status == 303
    answer = tina.api("POST", "/hub/api/shares/ada/", {"user": "bob"})
    assert answer.status == 200, answer.text
    lab = enter(bob, ada)
    kernel = lab.api("POST", "kernels", {"name": "python3"}).json()["id"]
    open_still = lab.connect(kernel)
    out_ms(hub, forget=True)
    assert come(hub, tina, "members", "tutors").status == 303       # the same groups again: nothing ends
    assert come(hub, tina, "members", "tutors", "others").status == 303
    assert len(shared_with(bob)) == 1 and out_ms(hub) == 0
    with database(hub) as db:
        db.execute("CREATE TRIGGER broken BEFORE UPDATE OF guests_out_ms ON servers WHEN new.guests_out_ms > 0 BEGIN SELECT RAISE(ABORT, 'for a test'); END")
    try:                                                            # it is one deed: it fails whole
        assert come(hub, tina, "members").status >= 400
        assert len(shared_with(bob)) == 1 and "odd:tutors" in people["root1"].api("GET", f"/hub/api/users/{tina.name}").json()["groups"]
    finally:
        with database(hub) as db:
            db.execute("DROP TRIGGER broken")
    first = len(rows(hub))
    assert come(hub, tina, "members").status == 303
    assert shared_with(bob) == [] and refused(bob, ada) and is_put_out(hub) and not is_cut(open_still)
    assert [(row[0], row[3]) for row in ended_by_the_hub(hub, first)] == [("share-taken", "ada")]
    with database(hub) as db:                                       # a minute of waiting is left out
        db.execute("UPDATE servers SET guests_out_ms = guests_out_ms - 63000 WHERE guests_out_ms > 0")
    hub.kill_hub()
    wait_for(lambda: is_cut(open_still), 60)
    own = Lab(ada)
    assert own.open().status == 200 and own.api("DELETE", f"kernels/{kernel}").status == 204


def test_who_may_not_come_in_any_more(hub, people, ada, tina):
    bob = people["bob"]
    assert come(hub, tina, "members", "tutors").status == 303
    code = tina.api("POST", "/hub/api/share-codes/ada/", {}).json()["accept_url"]
    assert accept(bob, code).status == 303 and enter(bob, ada)
    out_ms(hub, forget=True)
    assert come(hub, tina).status == 403
    assert shared_with(bob) == [] and refused(bob, ada) and is_put_out(hub) and bob.get(code).status == 404


def test_an_administrator_by_the_word(hub, people, ada, tina):
    bob = people["bob"]
    assert come(hub, tina, "members", "chiefs").status == 303
    assert tina.api("POST", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    out_ms(hub, forget=True)
    assert come(hub, tina, "members", "chiefs").status == 303 and out_ms(hub) == 0 and len(shared_with(bob)) == 1
    assert come(hub, tina, "members").status == 303
    assert shared_with(bob) == [] and is_put_out(hub)
    assert not people["root1"].api("GET", f"/hub/api/users/{tina.name}").json()["admin"]


def test_guests_by_a_role_for_a_group_that_the_person_leaves(hub, people, ada, tina):
    """And what they have given there: they had the right to it as long as the server was one of the group's."""
    root, bob = people["root1"], people["bob"]
    assert come(hub, tina, "members", "tutors").status == 303 and enter(tina, ada)
    assert tina.api("POST", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    made = tina.api("POST", "/hub/api/users/ada/tokens", {}).json()
    out_ms(hub, forget=True)
    first = len(rows(hub))
    assert root.api("DELETE", "/hub/api/groups/course/users", {"users": ["ada"]}).status == 200
    try:
        assert refused(tina, ada) and is_put_out(hub) and shared_with(bob) == []
        assert sorted(row[0] for row in ended_by_the_hub(hub, first)) == ["share-taken", "token-revoked"]
        assert any(made["id"] + ":" in row[4] for row in ended_by_the_hub(hub, first))
    finally:
        assert root.api("POST", "/hub/api/groups/course/users", {"users": ["ada"]}).status == 200


@pytest.mark.parametrize("how", ["leaves", "is gone"])
def test_a_group_here(hub, people, ada, how):
    root, bob = people["root1"], people["bob"]
    name = f"helper{next(numbers)}"
    helper = hub.add_person(root, name)
    assert root.api("POST", "/hub/api/groups/helpers/users", {"users": [name]}).status == 200
    assert helper.api("POST", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    out_ms(hub, forget=True)
    if how == "leaves":
        assert root.api("DELETE", "/hub/api/groups/helpers/users", {"users": [name]}).status == 200
    else:
        assert root.api("DELETE", "/hub/api/groups/helpers").status == 204
    assert shared_with(bob) == [] and is_put_out(hub)


@pytest.mark.parametrize("how", ["password", "disabled", "no administrator"])
def test_what_ends_whole(hub, people, ada, how):
    root, bob = people["root1"], people["bob"]
    if how == "password":
        giver = ada
        give(ada, user="bob")
    else:
        name = f"chief{next(numbers)}"
        giver = hub.add_person(root, name)
        giver.name = name
        assert root.api("PATCH", f"/hub/api/users/{name}", {"admin": True}).status == 200
        assert giver.api("POST", "/hub/api/shares/ada/", {"user": "bob"}).status == 200
    out_ms(hub, forget=True)
    if how == "password":
        assert ada.post("/hub/password", {"password_now": PASSWORD, "password": PASSWORD, "password_again": PASSWORD}, "/hub/password").status == 303
    elif how == "disabled":
        assert root.post("/hub/admin/act", {"action": "disable", "user": giver.name}, "/hub/admin").status == 303
    else:
        assert root.api("PATCH", f"/hub/api/users/{giver.name}", {"admin": False}).status == 200
    assert shared_with(bob) == [] and is_put_out(hub)
