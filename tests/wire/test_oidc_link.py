"""An identity of a provider becomes a further way in to an account that is here; and what must not come of it."""
import html
import itertools
import re
from urllib.parse import urlsplit

import pytest
from hub_client import PASSWORD, Person, running
from provider_client import MEMBER, Programmable, finish, sign_in_at, write_provider

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def platform():
    def before(p):
        p.odd = odd
        write_provider(p, "odd", [f"issuer = {odd.issuer}", "label = Odd", "client-id = craton-hub", "groups-claim = eduperson_entitlement", f"allow = {MEMBER}"],
                       "a:secret & more")

    with Programmable() as odd, running(prepared=False, before=before) as p:
        yield p


@pytest.fixture(scope="module")
def admin(platform):
    return platform.administrator()


@pytest.fixture
def local(platform, admin):
    """A person with a password, and an identity at the provider that nobody has used."""
    n = next(numbers)
    platform.odd.reset()
    platform.odd.claims = {"sub": f"s-{n}", "name": f"Ada {n}", "email": f"ada{n}@example.org", "preferred_username": f"other{n}", "eduperson_entitlement": [MEMBER]}
    person = platform.add_person(admin, f"local{n}")
    person.name = f"local{n}"
    return person


def ask_to_link(person, password=PASSWORD):
    return person.post("/hub/signin/odd/link", {"password_now": password}, "/hub/password")


def come_back(page, odd):
    """Follows the link of the page to the provider; answers the address back."""
    return odd.begin(urlsplit(html.unescape(re.search(r'class="button main" href="([^"]+)"', page.text).group(1))).query)


def link(person, odd):
    a = ask_to_link(person)
    assert a.status == 200, a.text
    return finish(person, come_back(a, odd))


def name_by_provider(platform):
    person = Person(platform)
    assert sign_in_at(person, platform.odd).status == 303
    return person.api("GET", "/hub/api/user").json()["name"]


def test_link_and_unlink(platform, local):
    assert "Connect Odd" in local.get("/hub/password").text
    assert link(local, platform.odd).location == "/hub/password"
    page = local.get("/hub/password").text
    assert f"odd: {platform.odd.claims['name']}, {platform.odd.claims['email']}" in page
    assert local.api("GET", "/hub/api/user").json()["groups"] == ["odd:vo.example.eu"]
    assert name_by_provider(platform) == local.name
    again = Person(platform)
    assert again.sign_in(local.name).status == 303               # the password stays
    number = re.search(r'name="identity" value="(\d+)"', page).group(1)
    assert local.post("/hub/signin/odd/unlink", {"password_now": "wrong", "identity": number}, "/hub/password").status == 403
    assert name_by_provider(platform) == local.name
    assert local.post("/hub/signin/odd/unlink", {"password_now": PASSWORD, "identity": number}, "/hub/password").status == 303
    assert name_by_provider(platform) == platform.odd.claims["preferred_username"]


def test_the_providers_rules_are_for_links_too(platform, local, admin):
    platform.odd.claims["eduperson_entitlement"] = ["urn:mace:egi.eu:group:vo.other.eu:role=member#aai.egi.eu"]
    a = link(local, platform.odd)
    assert a.status == 403 and MEMBER in a.text, a.text              # the page that says what is required
    assert platform.odd.claims["sub"] + "<" not in local.get("/hub/password").text and local.api("GET", "/hub/api/user").json()["groups"] == []
    assert platform.odd.claims["sub"] in admin.get("/hub/admin").text    # turned away
    platform.odd.claims["eduperson_entitlement"] = [MEMBER]
    assert link(local, platform.odd).location == "/hub/password"


def test_a_session_alone_cannot_link(platform, local):
    a = ask_to_link(local, "not the password")
    assert a.status == 403 and "password is wrong" in a.text and "__Host-craton-signin" not in local.jar
    assert local.post("/hub/signin/odd/link", {"password_now": PASSWORD, "_csrf": "0" * 64}).status == 403
    assert local.get("/hub/signin/odd/link").status == 405
    assert Person(platform).post("/hub/signin/odd/link", {"password_now": PASSWORD}).status == 303   # to the sign-in page
    assert ask_to_link(local).status == 200


def test_somebody_elses_identity(platform, local, admin):
    name_by_provider(platform)                                    # it has an account of its own now
    a = link(local, platform.odd)
    assert a.status == 409 and "belongs to another account" in a.text
    assert name_by_provider(platform) == platform.odd.claims["preferred_username"]


def test_somebody_elses_way_to_unlink(platform, local, admin):
    link(local, platform.odd)
    number = re.search(r'name="identity" value="(\d+)"', local.get("/hub/password").text).group(1)
    other = platform.add_person(admin, f"{local.name}-other")
    a = other.post("/hub/signin/odd/unlink", {"password_now": PASSWORD, "identity": number}, "/hub/password")
    assert a.status == 404 and name_by_provider(platform) == local.name


def test_the_answer_counts_in_its_own_session(platform, local, admin):
    """An attacker has a victim's browser bring the attacker's answer, or the other way round."""
    back = come_back(ask_to_link(local), platform.odd)
    victim = platform.add_person(admin, f"{local.name}-victim")
    victim.jar["__Host-craton-signin"] = local.jar["__Host-craton-signin"]
    assert finish(victim, back).status == 403
    stranger = Person(platform)
    stranger.jar["__Host-craton-signin"] = local.jar["__Host-craton-signin"]
    assert finish(stranger, back).status == 403 and "__Host-craton-login" not in stranger.jar
    # Signed out and in again meanwhile: another session.
    kept = local.jar["__Host-craton-signin"]
    local.post("/hub/logout", {}, "/hub/home")
    local.sign_in(local.name)
    local.jar["__Host-craton-signin"] = kept
    assert finish(local, back).status == 403
    assert name_by_provider(platform) == platform.odd.claims["preferred_username"]


def test_who_has_no_password(platform, admin):
    platform.odd.reset()
    platform.odd.claims["sub"], platform.odd.claims["preferred_username"] = "s-only", "only"
    person = Person(platform)
    assert sign_in_at(person, platform.odd).status == 303
    page = person.get("/hub/password").text
    assert "Your account has no password" in page and "Connect Odd" not in page
    number = re.search(r"Disconnect", page)
    assert number is None
    assert person.post("/hub/signin/odd/link", {"password_now": ""}, "/hub/home").status == 403
