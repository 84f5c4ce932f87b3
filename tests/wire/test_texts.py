"""Languages and texts of the pages: chosen by browser, cookie, person and setting; the operator's own texts, logo and foot; and that no sentence of a page lies
outside the catalogue: in a language in which every message stands in marks, only what people have typed is without them."""
import contextlib
import html
import json
import re
import runpy
import sqlite3
import subprocess
import urllib.parse
from email.header import decode_header, make_header

import pytest
from hub_client import Person, Platform, request, running, wait_for
from test_mail import SENDER, with_mail
from test_session import start, stop

SOURCE = __file__.rpartition("/tests/")[0]
PLURAL = "Plural-Forms: nplurals=2; plural=(n != 1);\\n"


def po(**more):
    """A catalogue from Python's words; keys are the English texts."""
    out = [f'msgid ""\nmsgstr "{PLURAL}"\n']
    out += [f"msgid {json.dumps(id)}\nmsgstr {json.dumps(text, ensure_ascii=False)}\n" for id, text in more.items()]
    return "\n".join(out)


def marked():
    """Every message between marks, as a catalogue of the language zz."""
    tool = runpy.run_path(f"{SOURCE}/tools/texts")
    messages = tool["collect"]()
    plain = {"1.5", "YYYY-MM-DD"}
    words = {id: [t if id in plain else f"‹{t}›" for t in ([m.id, m.plural] if m.plural else [m.id])] for id, m in messages.items()}
    return tool["written"]("Language: zz\nPlural-Forms: nplurals=2; plural=(n != 1);\n", messages, words)


class Own(Platform):
    def __init__(self):
        super().__init__()
        (self.folder / "state").mkdir(mode=0o711)
        texts = self.folder / "state/texts"
        texts.mkdir(mode=0o755)
        (texts / "zz.po").write_text(marked())
        (texts / "en.po").write_text(po(**{"Sign in": "Come in", "No account yet, or the password is lost? Ask your administrator for a link.": "Room 12."}))
        (texts / "it.po").write_text(po(**{"English": "Italiano", "Sign in": "Accedi"}))
        (texts / "de.po").write_text(po(**{"Sign in": "Hereinspaziert", "A message that nobody says": "x", "Home": "<b>Zuhause</b>"}))
        (texts / "fr.po").write_text('msgid "cut')
        (texts / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
        (texts / "README").write_text("not read")


@pytest.fixture(scope="module")
def world():
    with running("--site-name", "Ocean Hub Zürich", "--contact", "help@ocean.example", "--legal-url", "https://ocean.example/legal?a=1&b=2", "--privacy-url",
                 "https://ocean.example/privacy", "--named-servers", "2", prepared=False, kind=Own) as p:
        p.admin = p.administrator()
        p.una = p.add_person(p.admin, "una")
        p.una.name = "una"
        yield p


def login_page(platform, language=None):
    return request("GET", platform.hub + "/hub/login", headers={"Accept": "text/html", **({"Accept-Language": language} if language else {})})


@pytest.mark.parametrize("asked, lang, says", [(None, "en", "Come in"), ("de-CH, en;q=0.5", "de", "Hereinspaziert"), ("fr", "fr", "Se connecter"), ("it-IT", "it", "Accedi"),
                                               ("ja, *;q=0.1", "en", "Come in"), ("de;q=0, en", "en", "Come in"), ("x" * 3000 + ";q=a,,;", "en", "Come in")])
def test_what_the_browser_asks_for(world, asked, lang, says):
    page = login_page(world, asked)
    assert page.status == 200 and f'<html lang="{lang}">' in page.text and f"<h1>{says}</h1>" in page.text
    assert page.headers["Content-Language"] == lang


def test_foot_logo_and_name(world):
    page = login_page(world)
    for part in ("· Ocean Hub Zürich</title>", '<a href="mailto:help@ocean.example">help@ocean.example</a>', 'href="https://ocean.example/legal?a=1&amp;b=2"',
                 'href="https://ocean.example/privacy"', 'src="/hub/static/logo.png"', "Room 12.", ">Italiano</button>", ">Deutsch</button>"):
        assert part in page.text, part
    logo = request("GET", world.hub + "/hub/static/logo.png")
    assert logo.status == 200 and logo.headers["Content-Type"] == "image/png" and logo.body.startswith(b"\x89PNG")
    assert "mailto:help@ocean.example" in request("GET", world.hub + "/hub/nothing/here", headers={"Accept": "text/html"}).text


def choose(person, language, path="/hub/home", where="/hub/language", **more):
    csrf = person.csrf(path)
    return person.send(f"{where}?back={urllib.parse.quote(more.get('back', path), safe='')}", {"language": language, "_csrf": csrf})


def test_a_choice_before_sign_in_is_the_browsers(world):
    stranger = Person(world)
    answer = choose(stranger, "fr", "/hub/login", "/hub/login/language")
    assert answer.status == 303 and answer.location.endswith("/hub/login") and any("craton-language=fr" in c and "HttpOnly" in c for c in answer.cookies())
    assert '<html lang="fr">' in stranger.get("/hub/login", Accept_Language="de").text
    # Without the form's mark (another site's page) it is not taken; nor a language that is not there, nor a way out of the hub.
    other = Person(world)
    assert not any("craton-language" in c for c in other.send("/hub/login/language", {"language": "de", "_csrf": "0" * 64}).cookies())
    for wrong in ("xx", "", "../de", "de\r\nSet-Cookie: a=b", "d" * 5000):
        assert choose(stranger, wrong, "/hub/login", "/hub/login/language").status == 400
    for back in ("https://evil.example/", "//evil.example", "/hub/logout", "/hub/a\r\nb"):
        assert choose(stranger, "fr", "/hub/login", "/hub/login/language", back=back).location.endswith("/hub/home")
    stranger.jar[next(k for k in stranger.jar if k.endswith("craton-language"))] = "xx"
    assert '<html lang="de">' in stranger.get("/hub/login", Accept_Language="de").text


def test_a_persons_choice_is_the_persons(world):
    """In every browser, over a kill of the hub; another's stays; the API speaks English, and so does the log."""
    una = world.una
    assert una.send("/hub/language", {"language": "de", "_csrf": "0" * 64}).status == 403
    assert choose(una, "de", "/hub/token").location.endswith("/hub/token")
    elsewhere = Person(world)
    assert elsewhere.sign_in("una").status == 303
    assert '<html lang="de">' in elsewhere.get("/hub/home", Accept_Language="fr").text and "Guten Tag, una" in elsewhere.get("/hub/home").text
    assert '<html lang="en">' in world.admin.get("/hub/home").text
    world.process.kill()
    world.process.wait(30)
    world.start("--site-name", "Ocean Hub Zürich", "--contact", "help@ocean.example", "--named-servers", "2")
    assert "Guten Tag, una" in una.get("/hub/home").text
    refused = una.get("/hub/admin")
    assert refused.status == 403 and "diese Seite ist für die Administration" in refused.text
    assert una.api("GET", "/hub/api/users/nobody").json()["message"] and "Seite" not in una.api("GET", "/hub/api/users").text
    assert una.api("DELETE", "/hub/api/users/una/servers/none").json()["message"].startswith("una has no server")
    assert "Seite ist für" not in world.log.read_text()
    assert choose(una, "en").status == 303


def progress(person, query=""):
    """What the stream says until it ends, which it does when the server is ready."""
    return [json.loads(line) for line in re.findall(r"data: ?(.*)", person.get(f"/hub/api/users/{person.name}/server/progress{query}").text)]


def test_progress_is_told_to_the_page_in_its_language(world):
    """In phases, with a bar that grows; and, from the second start on, how long the last one took."""
    una = world.una
    assert choose(una, "de").status == 303
    assert una.post("/hub/spawn", {}, "/hub/home").status == 303
    events = progress(una, "?page=yes")
    bar, messages = [e["progress"] for e in events], [e["message"] for e in events]
    assert bar == sorted(bar) and bar[0] < 60 and bar[-1] == 100 and len(set(messages)) >= 3, events
    assert any("JupyterLab lädt seine Teile" in m for m in messages) and "Ihr Server ist bereit." in messages[-1] and events[-1]["ready"], messages
    assert progress(una)[-1]["message"] == "Your server is ready."
    stop(una)
    assert choose(una, "en").status == 303
    assert una.post("/hub/spawn", {}, "/hub/home").status == 303
    assert re.search(r"Last time it took about \d+ (seconds?|minutes?)\.", progress(una)[0]["message"])
    stop(una)


def test_what_is_wrong_in_the_operators_texts_is_said_and_left_out(world):
    checked = subprocess.run(world.cratond("--check", "--language", "xx"), capture_output=True, text=True, timeout=60)
    assert checked.returncode != 0
    for says in ("fr.po: line 1: the text has no end", "de.po:7: this hub has no such text", "de.po:10: the message has no such tag", "language: the hub has no texts in it"):
        assert says in checked.stderr, (says, checked.stderr)
    assert "languages of the pages: en de fr it zz" in checked.stdout
    log = world.log.read_text()
    assert "a text of the operator's is left out" in log and "fr.po" in log
    assert choose(world.una, "de").status == 303
    assert "<b>Zuhause" not in world.una.get("/hub/home").text and "Startseite" in world.una.get("/hub/home").text
    assert choose(world.una, "en").status == 303
    for name, value in (("language", "DE"), ("legal-url", "javascript:alert(1)"), ("privacy-url", "http://x.test"), ("contact", "a\tb"), ("site-name", "x" * 70)):
        refused = subprocess.run(world.cratond("--check", f"--{name}", value), capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0 and name in refused.stderr, (name, refused.stderr)


# ---- nothing outside the catalogue ----

def unmarked(page):
    """Words that a reader meets and that stand in no marks."""
    text = re.sub(r"(?s)<(script|style|textarea|code|pre)\b.*?</\1>", " ", page)
    text = re.sub(r'(?s)<footer.*</footer>', " ", text)
    seen = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', text) + [re.sub(r"(?s)<[^>]*>", "\n", text)]
    left = []
    for part in seen:
        part, before = html.unescape(part), None
        while before != part:
            before, part = part, re.sub(r"‹[^‹›]*›", " ", part)
        left += [w for w in re.findall(r"[A-Za-z][A-Za-z' ]+[A-Za-z.]", part)]
    return left


# What people, the operator and other programs have said, and amounts.
DATA = re.compile(r"una|root|hub|admin|BAD NAME|ocean|Ocean Hub Z|rich|GiB|MiB|KiB|CPU|Dask|gpu|ann|wave|UTC|[a-z]", re.I)


def check_groups_and_seats(world, check_marked, stranger):
    admin, una = world.admin, world.una
    post = lambda **fields: admin.post("/hub/admin/groups", fields, "/hub/admin/groups")  # noqa: E731
    check_marked(admin, "/hub/admin/groups")
    assert post(action="make", group="wave").status == 303
    for fields in ({"action": "make", "group": "wave"}, {"action": "make", "group": ""}, {"action": "join", "group": "wave", "people": "nobody.here"},
                   {"action": "join", "group": "wave", "people": "a b"}, {"action": "join", "group": "wave", "people": ""}, {"action": "fly", "group": "wave"},
                   {"action": "leave", "group": "wave", "people": '"una'}, {"action": "leave", "group": "wave", "people": "," * 70}, {"action": "join", "group": "none", "people": "una"}):
        check_marked(admin, f"groups {fields}", post(**fields), data=("nobody.here", "a b", '"una', "," * 70, "none"))
    check_marked(admin, "/hub/admin/groups?group=wave")
    check_marked(admin, "", admin.post("/hub/admin/invitations/several", {"people": "user,x\nuna,wave", "hours": "24", "group": "wave"}, "/hub/admin/invitations"))
    for path in ("/hub/admin/groups", "/hub/admin/groups?group=wave", "/hub/admin?name=una", "/hub/admin?name=wave", "/hub/admin/groups?group=none"):
        check_marked(admin, path, data=("none",))
    links = []
    for group in ("", "tide"):
        page = admin.post("/hub/admin/invitations/room", {"seats": "5", "hours": "1", "note": "wave", "group": group}, "/hub/admin/invitations").text
        links.append(urllib.parse.urlsplit(re.search(r'id="link"[^>]*value="([^"]*)"', page).group(1)).path)
    for who in (stranger, una):
        check_marked(who, links[1], data=("tide",))
    seat = lambda link: una.send(link + "/seat", {"_csrf": una.csrf("/hub/home")})  # noqa: E731
    check_marked(una, "no group", seat(links[0]))
    check_marked(una, "a seat", seat(links[1]), data=("tide",))
    assert admin.api("DELETE", "/hub/api/groups/tide").status == 204
    check_marked(una, "group gone", seat(links[1]))


def test_no_sentence_lies_outside_the_catalogue(world):
    admin, una = world.admin, world.una
    found = {}

    def check_marked(person, path, answer=None, data=()):
        answer = answer or person.get(path)
        assert "text/html" in answer.headers["Content-Type"], (path, answer.status, answer.location)
        assert '<html lang="zz">' in answer.text, (path, answer.status)
        assert len(answer.body) < 100 << 10
        left = [w for w in unmarked(answer.text.replace(world.accounts, "")) if w.strip() not in data and not re.fullmatch(DATA, w.strip(" .'"))]
        if left:
            found[f"{path} {answer.status} {answer.text.count('‹')}"] = left

    stranger = Person(world)
    for who in (admin, una):
        assert choose(who, "zz").status == 303
    assert choose(stranger, "zz", "/hub/login", "/hub/login/language").status == 303
    check_marked(stranger, "/hub/login")
    check_marked(stranger, "", stranger.post("/hub/login", {"username": "una", "password": "wrong"}, "/hub/login"))
    check_marked(stranger, "", stranger.post("/hub/login", {"username": "una", "password": "wrong", "_csrf": "0"}))
    check_marked(stranger, "/hub/join/" + "0" * 64)
    check_marked(stranger, urllib.parse.urlsplit(world.invite(admin, "ann")).path)
    join = urllib.parse.urlsplit(world.invite(admin, "ann")).path
    for password, again in (("short", "short"), ("long enough", "different"), ("ann", "ann")):
        check_marked(stranger, join, stranger.post(join, {"username": "ann", "password": password, "password_again": again}, join))
    for path in ("/hub/home", "/hub/token", "/hub/password", "/hub/clusters", "/hub/nothing", "/hub/admin", "/hub/shares", "/hub/user/root1/lab", "/hub/accept-share?code=x",
                 "/hub/user/nobody/lab"):
        check_marked(una, path)
    check_marked(una, "", una.post("/hub/password", {"password_now": "wrong", "password": "a new password", "password_again": "a new password"}, "/hub/password"))
    check_marked(una, "", una.post("/hub/spawn", {"server": "nothing"}, "/hub/home"))
    check_marked(una, "", una.post("/hub/token", {"note": "wave", "days": "4000"}, "/hub/token"))
    check_marked(una, "", una.post("/hub/token", {"note": "wave", "days": "7"}, "/hub/token"))
    check_marked(una, "", una.post("/hub/servers", {"server": "BAD NAME"}, "/hub/home"))
    assert una.post("/hub/servers", {"server": "gpu", "title": "wave"}, "/hub/home").status == 303
    check_marked(una, "/hub/home")
    check_marked(una, "/hub/spawn/una/gpu")
    assert una.post("/hub/servers/remove", {"server": "gpu"}, "/hub/home").status == 303
    check_marked(una, "/hub/home", una.send("/hub/keep", {"server": "", "_csrf": "0" * 64}))
    for path in ("/hub/admin", "/hub/admin/invitations", "/hub/admin/audit", "/hub/admin/audit?kind=none", "/hub/admin/audit?since=x", "/hub/admin/ahead", "/hub/admin/disk",
                 "/hub/admin/clusters", "/hub/home", "/hub/shares"):
        check_marked(admin, path)
    with contextlib.closing(sqlite3.connect(world.folder / "state/hub/hub.sqlite", timeout=30)) as db, db:
        db.execute("UPDATE sessions SET proved_ms = proved_ms - 960000")
    check_marked(admin, "/hub/again")
    for path, fields in (("notice", {"text": "x" * 600}), ("notice", {"text": "wave", "hours": "x"}), ("ahead", {"group": "wave", "hours": "1"}),
                         ("ahead", {"group": "wave", "hours": "x"}), ("act", {"user": "una", "action": "fly"}), ("act", {"user": "root1", "action": "disable"}),
                         ("act", {"user": "una", "action": "remove", "confirm": "x"}), ("invite", {"username": "BAD NAME"}), ("invite", {"username": "una"}),
                         ("invitations/several", {"people": "x y", "hours": "24"}), ("invitations/several", {"people": "ann, wave\nben", "hours": "24"}),
                         ("invitations/room", {"seats": "1", "hours": "4"}), ("invitations/room", {"seats": "10", "hours": "4", "note": "wave"}),
                         ("act", {"user": "una", "action": "link"})):
        check_marked(admin, path, admin.post(f"/hub/admin/{path}", fields, "/hub/admin"), data=("ben",))
    check_marked(admin, "/hub/admin/invitations", data=("ben",))
    check_groups_and_seats(world, check_marked, stranger)
    start(una)
    check_marked(una, "/hub/home")
    check_marked(admin, "/hub/admin")
    check_marked(una, "/hub/spawn-pending/una", una.get("/hub/nothing"))
    stop(una)
    check_marked(una, "/hub/home")
    for who in (admin, una):
        assert choose(who, "en").status == 303
    stranger.jar.clear()
    check_marked(stranger, "", stranger.get("/hub/logout", Accept_Language="zz"))
    assert not found, "\n".join(f"{path}: {words}" for path, words in found.items())


# ---- mail ----

def test_mail_in_the_settings_language_and_the_operators_words():
    class Mailing(with_mail()):
        def __init__(self):
            super().__init__()
            texts = self.folder / "state/texts"
            texts.mkdir(mode=0o755)
            tool = runpy.run_path(f"{SOURCE}/tools/texts")
            body = next(id for id in tool["collect"]() if "you are invited to use the hub" in id)
            (texts / "de.po").write_text(po(**{body: 'Grüß Gott{name}!\n\n"Kommen" Sie: {link}\n\nGültig: {life}. Raum 12\n'}))
    with running("--language", "de", prepared=False, kind=Mailing) as p, p.server.running():
        admin = p.administrator()
        page = admin.post("/hub/admin/invite", {"username": "maria", "address": "maria@example.org"}, "/hub/admin")
        assert page.status == 200 and '<html lang="de">' in page.text
        (mail,) = wait_for(lambda: p.server.to("maria@example.org"))
        assert str(make_header(decode_header(mail["Subject"]))) == f"Ihr Konto bei {p.hub}" and mail["From"] == f"<{SENDER}>"
        assert mail["Content-Language"] == "de" and mail["Content-Transfer-Encoding"] == "base64" and mail.get_content_charset() == "utf-8"
        text = mail.get_payload(decode=True).decode().replace("\r\n", "\n")
        link = re.search(r'"Kommen" Sie: (http\S+/hub/join/[0-9a-f]{64})\n', text).group(1)
        assert text.startswith("Grüß Gott maria!\n") and "Gültig: 24 Stunden. Raum 12" in text
        assert Person(p).join(link, "maria").status == 303
