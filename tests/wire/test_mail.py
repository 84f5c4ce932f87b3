"""Links by mail: through a real mail server with STARTTLS and sign-in; what is refused, what is tried again, and over a kill."""
import contextlib
import email.utils
import html
import os
import re
import sqlite3
import subprocess
import time

import pytest
from hub_client import BUILD, PREFIX, Person, Platform, free_ports, has_ended, running, wait_for
from smtp_world import Server

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")      # a server without TLS is meant
SENDER = "craton@hub.test"
TOO_MUCH = 413


def with_mail(mode="starttls", **more):
    class WithMail(Platform):
        def __init__(self):
            super().__init__()
            (self.folder / "state").mkdir(mode=0o711)
            self.server = Server(free_ports(), self.folder, mode=mode, **more)
            scheme = "smtps" if mode == "smtps" else "smtp"
            self.options = ("--smtp", f"{scheme}://localhost:{self.server.port}", "--smtp-from", SENDER, "--smtp-user", "hub", "--smtp-ca", str(self.server.cert))
            self.set_password("a:secret & more")

        def set_password(self, text, mode=0o600):
            path = self.folder / "state/smtp.password"
            path.write_text(text + "\n")
            path.chmod(mode)
    return WithMail


@pytest.fixture(scope="module")
def own():
    with running(prepared=False, kind=with_mail()) as p, p.server.running():
        p.admin = p.administrator()
        yield p


def sql(platform, text, *values):
    with contextlib.closing(sqlite3.connect(platform.folder / "state/hub/hub.sqlite", timeout=30)) as db:
        rows = db.execute(text, values).fetchall()
        db.commit()
        return rows


def invite(platform, name, address, status=200):
    answer = platform.admin.post("/hub/admin/invite", {"username": name, "address": address}, "/hub/admin")
    assert answer.status == status, answer.text
    return answer


def link_in(mail):
    return re.search(r"^ +(http\S+/hub/join/[0-9a-f]{64})$", mail.get_payload().replace("\r\n", "\n"), re.M).group(1)


def row(platform, address):
    rows = sql(platform, "SELECT state, tries, problem FROM mails WHERE address = ? ORDER BY id DESC LIMIT 1", address)
    return rows[0] if rows else None


def hurry(platform):
    sql(platform, "UPDATE mails SET next_ms = 0 WHERE state = 'waiting'")


def craton(platform, *arguments):
    return subprocess.run([BUILD / "src/cli/craton", "admin", "--run", platform.run, *arguments], capture_output=True, text=True, timeout=100)


def test_an_invitation(own):
    """It arrives, once, over TLS, signed in; its link lets in; nothing that opens anything is in the database, a log, or an argument."""
    page = invite(own, "maria", "Maria.S+x@Example.ORG")
    assert "A mail with the link goes to Maria.S+x@Example.ORG" in html.unescape(page.text) and "/hub/join/" not in page.text
    (mail,) = wait_for(lambda: own.server.to("Maria.S+x@example.org"))
    assert own.server.signed_in[-1] == ("hub", "a:secret & more", True) and own.server.in_clear[-1] is False
    assert own.server.mails[-1][0] == SENDER
    assert mail["From"] == f"<{SENDER}>" and mail["To"] == "<Maria.S+x@example.org>" and own.hub in mail["Subject"]
    assert abs(email.utils.parsedate_to_datetime(mail["Date"]).timestamp() - time.time()) < 300
    assert mail["Message-ID"].endswith("@hub.test>") and mail["Auto-Submitted"] == "auto-generated" and "Hello maria," in mail.get_payload()
    link = link_in(mail)
    wait_for(lambda: row(own, "Maria.S+x@example.org")[0] == "sent")
    token = link.rsplit("/", 1)[1]
    files = [p for p in (own.folder / "state/hub").iterdir() if p.is_file()]
    assert files and not any(token.encode() in p.read_bytes() for p in [*files, own.log])
    log = own.log.read_text()
    assert "a:secret" not in log and not [line for line in log.lower().splitlines() if "maria.s" in line and " audit" not in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            given = open(f"/proc/{pid}/cmdline", "rb").read() + open(f"/proc/{pid}/environ", "rb").read()
            assert b"a:secret" not in given and token.encode() not in given
    assert Person(own).join(link).status == 303
    assert Person(own).get(link.removeprefix(own.hub)).status == 404
    entry = own.ask(command="admin", do="audit", args=[], kind="link-made")["rows"][0]
    assert entry["by"] == "root1" and entry["on"] == "maria" and "by mail to Maria.S+x@example.org" in entry["detail"]


@pytest.mark.parametrize("address", ["a@b.test\r\nBcc: x@evil.test", "a@b.test\nX: y", "a b@c.test", "<a@b.test>", "a@b.test,c@d.test", "nobody", "@b.test", "a@", "a@-b.test",
                                     "a@b..test", ".a@b.test", "a..b@c.test", '"a b"@c.test', "ä@b.test", "a@bü.test", "a@b.test>", "x" * 65 + "@b.test",
                                     "a@" + "b." * 130 + "test", "a@b.test\0", "a@[127.0.0.1]"])
def test_what_is_no_address(own, address):
    before = sql(own, "SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM mails)")
    page = own.admin.post("/hub/admin/invite", {"username": "nobody1", "address": address}, "/hub/admin")
    assert page.status == 400, page.text
    assert sql(own, "SELECT (SELECT count(*) FROM links), (SELECT count(*) FROM mails)") == before


def test_several(own):
    """Lines with an address are mailed, the others shown."""
    page = own.admin.post("/hub/admin/invitations/several", {"people": "pia, Pia P <pia@course.test>\nquin, Quin Q\nrob;rob@course.test", "hours": "48", "group": "mailed",
                                                             "mail": "yes"}, "/hub/admin/invitations")
    assert page.status == 200, page.text
    assert len(re.findall(r"<code>http[^<]*/hub/join/", page.text)) == 1 and "The link goes by mail to pia@course.test" in page.text
    mails = [wait_for(lambda a=a: own.server.to(a), 30)[0] for a in ("pia@course.test", "rob@course.test")]
    assert "for 2 days" in mails[0].get_payload()
    assert Person(own).join(link_in(mails[0])).status == 303
    assert own.admin.api("GET", "/hub/api/users/pia").json()["groups"] == ["mailed"]
    wrong = own.admin.post("/hub/admin/invitations/several", {"people": "sam\ntess, t@@course.test", "hours": "48", "group": "", "mail": "yes"}, "/hub/admin/invitations")
    assert wrong.status == 400 and "line 2 (tess" in wrong.text and sql(own, "SELECT count(*) FROM links WHERE name = 'sam'") == [(0,)]
    # Of a table its column of addresses counts, and not what looks like one elsewhere; without user names the addresses are the names.
    table = own.admin.post("/hub/admin/invitations/several", {"people": 'Name,Remark,E-mail\n"Doe, Xia",asks boss@course.test,xia@course.test', "hours": "1", "group": "",
                                                              "mail": "yes"}, "/hub/admin/invitations")
    assert table.status == 200 and "The link goes by mail to xia@course.test" in table.text and row(own, "boss@course.test") is None
    assert Person(own).join(link_in(wait_for(lambda: own.server.to("xia@course.test"), 30)[0])).status == 303
    assert own.admin.api("GET", "/hub/api/users/xia@course.test").status == 200
    # Without the tick an address is a label as before.
    plain = own.admin.post("/hub/admin/invitations/several", {"people": "uma, uma@course.test", "hours": "1", "group": ""}, "/hub/admin/invitations")
    assert plain.text.count("/hub/join/") == 2 and row(own, "uma@course.test") is None


def test_refused_and_tried_again(own):
    """A mailbox that is not there is given up at once; a busy server is asked again, with a link that works when the first did not arrive."""
    own.server.reply["gone@course.test"] = lambda n: "550 5.1.1 no such mailbox"
    own.server.reply["later@course.test"] = lambda n: "451 4.3.0 try again <later>" if n == 1 else None
    invite(own, "vera", "gone@course.test")
    invite(own, "wim", "later@course.test")
    wait_for(lambda: row(own, "gone@course.test")[0] == "failed")
    wait_for(lambda: row(own, "later@course.test")[2])
    assert row(own, "later@course.test")[:2] == ("waiting", 1)
    page = own.admin.get("/hub/admin").text
    assert "550 5.1.1 no such mailbox" in page and "given up, make a new link" in page
    assert "451 4.3.0 try again &lt;later&gt;" in page and "tried again by itself" in page
    # Only who sent them is told.
    other = own.add_person(own.admin, "deputy")
    assert own.admin.api("PATCH", "/hub/api/users/deputy", {"admin": True}).status == 200
    assert "no such mailbox" not in other.get("/hub/admin").text
    hurry(own)
    (mail,) = wait_for(lambda: own.server.to("later@course.test"), 30)
    wait_for(lambda: row(own, "later@course.test")[0] == "sent")
    assert Person(own).join(link_in(mail)).status == 303
    assert "451 4.3.0" not in own.admin.get("/hub/admin").text


def test_over_a_kill(own):
    """Killed while the server has the mail and has not answered: it is sent again, and the last one's link works."""
    own.server.free.clear()
    try:
        invite(own, "xena", "xena@course.test")
        wait_for(lambda: own.server.to("xena@course.test"))
        hub = own.hub_pid()
        os.kill(hub, 9)
        wait_for(lambda: has_ended(hub))
    finally:
        own.server.free.set()
    own.wait_ready()
    assert row(own, "xena@course.test")[0] == "waiting"
    hurry(own)
    wait_for(lambda: len(own.server.to("xena@course.test")) == 2, 30)
    wait_for(lambda: row(own, "xena@course.test")[0] == "sent")
    first, last = map(link_in, own.server.to("xena@course.test"))
    assert first != last
    assert Person(own).get(first.removeprefix(own.hub)).status == 404
    assert Person(own).join(last).status == 303


def test_a_link_that_is_over_is_not_sent(own):
    own.server.reply["slow@course.test"] = lambda n: "451 later"
    invite(own, "yara", "slow@course.test")
    wait_for(lambda: row(own, "slow@course.test")[2])
    sql(own, "DELETE FROM links WHERE name = 'yara'")
    hurry(own)
    wait_for(lambda: row(own, "slow@course.test")[0] == "failed", 30)
    assert "its link was used or closed" in row(own, "slow@course.test")[2]
    invite(own, "yves", "slow@course.test")
    wait_for(lambda: row(own, "slow@course.test")[2])
    sql(own, "UPDATE mails SET until_ms = 1, next_ms = 0 WHERE state = 'waiting'")
    wait_for(lambda: row(own, "slow@course.test")[0] == "failed", 30)
    assert "too old" in row(own, "slow@course.test")[2]


def test_limits(own):
    """One address is not flooded, nor the world."""
    for i in range(5):
        invite(own, f"flood{i}", "flood@course.test")
    assert "written to 5 times" in invite(own, "flood5", "flood@COURSE.test", TOO_MUCH).text
    assert sql(own, "SELECT count(*) FROM links WHERE name = 'flood5'") == [(0,)]
    sql(own, "INSERT INTO mails (kind, address, name, link, created_ms, until_ms, next_ms, state) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "SELECT 'test', 'many' || i || '@x.test', '', x'', ?, 0, 0, 'sent' FROM n", int(time.time() * 1000))
    assert "mails within a day" in invite(own, "flood6", "fresh@course.test", TOO_MUCH).text
    sql(own, "DELETE FROM mails WHERE address LIKE 'many%'")


def test_a_password_by_mail(own):
    """Only to an address that a provider has verified."""
    person = own.add_person(own.admin, "zoe")
    assert "Mail a password link to zoe" not in own.admin.get("/hub/admin").text
    act = {"user": "zoe", "action": "mail"}
    assert own.admin.post("/hub/admin/act", act, "/hub/admin").status == 409
    add = ("INSERT INTO identities (issuer, subject, user_id, provider, shown, email, email_verified, created_ms, last_ms, tokens_until_ms) "
           "SELECT 'https://x.test', ?, id, 'x', 'Zoe', ?, ?, 1, ?, 1 FROM users WHERE name = 'zoe'")
    sql(own, add, "s1", "unproved@course.test", 0, 9)
    assert own.admin.post("/hub/admin/act", act, "/hub/admin").status == 409
    sql(own, add, "s2", "zoe@course.test", 1, 5)
    assert "Mail a password link to zoe" in own.admin.get("/hub/admin").text
    assert own.admin.post("/hub/admin/act", act, "/hub/admin").status == 200
    (mail,) = wait_for(lambda: own.server.to("zoe@course.test"), 30)
    assert "set a new password" in mail.get_payload().replace("\r\n", " ") and not own.server.to("unproved@course.test")
    assert Person(own).join(link_in(mail), "zoe", "another long password").status == 303
    assert person.get("/hub/home").status == 303      # whoever was signed in is no longer
    assert Person(own).sign_in("zoe", "another long password").status == 303


def test_the_test_at_the_shell(own):
    answer = craton(own, "mail-test", "ops@course.test")
    assert answer.returncode == 0 and "has taken the mail" in answer.stdout, answer
    assert "can send mail" in own.server.to("ops@course.test")[0].get_payload()
    own.server.reply["bad@course.test"] = lambda n: "554 we do not like you"
    answer = craton(own, "mail-test", "bad@course.test")
    assert answer.returncode != 0 and "554 we do not like you" in answer.stderr and "smtp-user" in answer.stderr
    assert craton(own, "mail-test", "no address").returncode != 0
    assert own.ask(command="admin", do="audit", args=[], kind="mail-test")["rows"][0]["detail"] == "bad@course.test"
    assert re.search(r"mail: +\d+ waiting", own.ask(command="status")["text"])


@pytest.mark.parametrize("mode, more, words", [("smtps", {}, None), ("plain", {}, "STARTTLS"), ("starttls", {"password": "another"}, "535"),
                                               ("no authority", {}, "certificate")])
def test_servers(mode, more, words):
    """TLS from the first byte; a server without STARTTLS is told nothing; a wrong password; a certificate of nobody's."""
    kind = with_mail("starttls" if mode == "no authority" else mode, **more)
    with running(prepared=False, kind=kind) as p, p.server.running():
        if mode == "no authority":
            p.stop()
            p.options = tuple(o for o in p.options if o != "--smtp-ca" and not o.endswith(".pem"))
            p.start()
        answer = craton(p, "mail-test", "ops@course.test")
        if not words:
            assert answer.returncode == 0 and p.server.to("ops@course.test") and p.server.signed_in, answer
        else:
            assert answer.returncode != 0 and words in answer.stderr, answer
            assert not p.server.mails and (p.server.signed_in == [] or mode == "starttls")


def test_settings(tmp_path):
    """cratond --check reads what belongs to mail, and says what is wrong."""
    state = tmp_path / "state"
    state.mkdir(mode=0o711)
    good = ["--smtp", "smtp://mail.test:587", "--smtp-from", SENDER]

    def check(*options, password=None, mode=0o600):
        path = state / "smtp.password"
        path.unlink(missing_ok=True)
        if password is not None:
            path.write_text(password)
            path.chmod(mode)
        answer = subprocess.run([BUILD / "src/platform/cratond", "--prefix", PREFIX, "--state", state, "--run", "/tmp/craton-none", *options, "--check"], capture_output=True, text=True,
                                timeout=30)
        return answer.returncode, answer.stdout + answer.stderr
    code, text = check(*good, "--smtp-user", "hub", password="p w\n")
    assert code == 0 and "mail: smtp://mail.test:587 as hub, from " + SENDER in text and "p w" not in text
    assert check(*good)[0] == 0
    for options, given, word in [
            (good[:2], {}, "--smtp-from"), (good[2:], {}, "belong to --smtp"), (["--smtp", "https://mail.test", *good[2:]], {}, "neither smtps"),
            (["--smtp", "smtp://u:p@mail.test", *good[2:]], {}, "neither smtps"), (["--smtp", "smtp://mail.test:0", *good[2:]], {}, "neither smtps"),
            (["--smtp", "smtp://mail.test/x", *good[2:]], {}, "neither smtps"), ([*good[:3], "nobody"], {}, "not a mail address"),
            ([*good, "--smtp-user", "hub"], {}, "no "), (good, {"password": "x"}, "no --smtp-user"),
            ([*good, "--smtp-user", "hub"], {"password": "x", "mode": 0o644}, "only its owner can read"),
            ([*good, "--smtp-user", "hub"], {"password": "a\nb\n"}, "one line"), ([*good, "--smtp-user", "hub"], {"password": ""}, "one line"),
            ([*good, "--smtp-ca", "/none.pem"], {}, "smtp-ca"), ([*good, "--smtp-user", "a\nb"], {"password": "x"}, "ASCII")]:
        code, text = check(*options, **given)
        assert code != 0 and word in text, (options, given, text)


def test_without_a_mail_server(platform, admin):
    page = admin.get("/hub/admin").text
    assert 'name="address"' not in page and 'name="mail"' not in admin.get("/hub/admin/invitations").text
    answer = admin.post("/hub/admin/invite", {"username": "nomail", "address": "a@b.test"}, "/hub/admin")
    assert answer.status == 409 and "sends no mail" in answer.text
    assert craton(platform, "mail-test", "a@b.test").returncode != 0
