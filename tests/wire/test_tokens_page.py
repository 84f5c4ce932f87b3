"""/hub/token: API tokens made, seen and taken away in the browser."""
import html
import re

import pytest
from hub_client import request


def make(person, **fields):
    return person.post("/hub/token", {"note": "", "days": "30", "scopes": "", **fields}, "/hub/token")


def token_of(answer):
    assert answer.status == 200, answer.text
    return re.search(r'id="token"[^>]*value="([0-9a-f]{64})"', answer.text).group(1)


def message(answer):
    return html.unescape(re.sub(r"<[^>]+>", "", re.search(r'role="alert">(.*?)</div>', answer.text, re.S).group(1)))


def rows(person):
    """Note and number of each token on the page."""
    page = person.get("/hub/token").text
    return {html.unescape(note): number for note, number in
            re.findall(r"<li>\s*<p><strong>(.*?)</strong>.*?name=\"id\" value=\"(\d+)\"", page, re.S)}


def who(platform, token, path="/hub/api/user"):
    return request("GET", platform.hub + path, headers={"Authorization": f"token {token}"})


@pytest.fixture
def owner(platform, admin, request):
    name = re.sub(r"[^a-z]", "", request.node.name)[4:24]
    person = platform.add_person(admin, name)
    person.name = name
    return person


def test_made_used_and_taken_away(platform, owner):
    answer = make(owner, note="culler <i> & co")
    token = token_of(answer)
    assert "culler &lt;i&gt; &amp; co" in answer.text and "Not used yet" in answer.text and "It ends in 30 days" in answer.text
    assert token not in owner.get("/hub/token").text
    assert who(platform, token).json()["name"] == owner.name
    assert "Last used" in owner.get("/hub/token").text
    number = rows(owner)["culler <i> & co"]
    assert owner.post("/hub/token/remove", {"id": number}, "/hub/token").status == 303
    assert who(platform, token).status == 403
    assert rows(owner) == {}
    again = owner.post("/hub/token/remove", {"id": number}, "/hub/token")
    assert again.status == 404 and "not there any more" in message(again)


def test_scopes_are_met_with_the_own_rights(platform, owner):
    token = token_of(make(owner, scopes=f"read:users:name!user={owner.name}, read:users:activity!user", days="0"))
    model = who(platform, token).json()
    assert model["name"] == owner.name and "servers" not in model
    page = owner.get("/hub/token").text
    assert "It does not end by itself" in page and f"<code>read:users:name!user={owner.name}</code>" in page
    assert who(platform, token, "/hub/api/users").status == 403
    refused = make(owner, scopes="admin:users", note="more than I may")
    assert refused.status == 400 and "not held by User" in message(refused)
    assert 'value="more than I may"' in refused.text and 'value="admin:users"' in refused.text  # what was typed is not lost


@pytest.mark.parametrize("fields, words", [
    ({"days": "-1"}, "1 to 366 days"), ({"days": "367"}, "1 to 366 days"), ({"days": ""}, "1 to 366 days"), ({"days": "a"}, "1 to 366 days"),
    ({"note": "n" * 201}, "at most 200 bytes"), ({"scopes": "no-such-scope"}, "no-such-scope"),
    ({"scopes": "self " * 101}, "at most 100 scopes"),
])
def test_what_is_refused(person, fields, words):
    before = rows(person)
    answer = make(person, **fields)
    assert answer.status in (400, 413) and words in message(answer), answer.text
    assert rows(person) == before


def test_not_somebody_elses(platform, admin, owner, person):
    token_of(make(owner, note="mine"))
    number = rows(owner)["mine"]
    assert person.post("/hub/token/remove", {"id": number}, "/hub/token").status == 404
    assert admin.post("/hub/token/remove", {"id": number}, "/hub/token").status == 404  # others' are taken away by the API
    assert "mine" in rows(owner) and "mine" not in rows(admin)


def test_only_by_the_own_page(platform, owner):
    assert owner.post("/hub/token", {"note": "x", "days": "1", "scopes": ""}).status == 403  # without the form's token
    token = token_of(make(owner))
    # A token makes no page and no further token here.
    assert request("GET", platform.hub + "/hub/token", headers={"Authorization": f"token {token}"}).status in (302, 303, 403)
    assert request("POST", platform.hub + "/hub/token", "note=x&days=1&scopes=",
                   {"Authorization": f"token {token}", "Content-Type": "application/x-www-form-urlencoded"}).status in (302, 303, 403)
    assert list(rows(owner)) == ["Made in the browser"]
