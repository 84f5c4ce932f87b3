"""A course as docs/courses.md says it is prepared: its settings are taken from the page, and what a trainer does by the forms of the administrators' pages."""
import re
import subprocess
import textwrap
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hub_client import PASSWORD, Person, running, wait_for, with_profiles
from test_folders import in_kernel
from test_invitations import link_of, links_of, room, several
from test_session import Lab, server

PAGE = (Path(__file__).resolve().parents[2] / "docs/courses.md").read_text()


def shown(first):
    """The block of the page that begins with this line."""
    block = re.search(rf"^( +){re.escape(first)}\n(?:\1.*\n|\n)*", PAGE, re.M).group()
    return textwrap.dedent(block).strip() + "\n"


class AsWritten(with_profiles(shown("profiles:"))):
    def __init__(self):
        super().__init__()
        data = self.folder / "data"
        data.mkdir(mode=0o755)
        (data / "sea.txt").write_text("salt")
        settings = shown("shared = /srv/data")
        assert "group-folders = tuesday tuesday" in settings
        (self.folder / "state/config").write_text(settings.replace("/srv/data", str(data)))


@pytest.fixture(scope="module")
def course():
    with running(prepared=True, kind=AsWritten) as p:
        p.trainer = p.administrator("trainer")
        yield p


def test_tuesday(course):
    checked = subprocess.run(course.cratond("--check"), capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    trainer = course.trainer
    sofia, guest = course.add_person(trainer, "sofia"), course.add_person(trainer, "guest")
    sofia.name, guest.name = "sofia", "guest"

    # Some days before: a list with somebody who has an account. On the day: a room.
    links = links_of(several(trainer, "emmy, Emmy Noether\nsofia, Sofia Kovalevskaya", hours="168", group="tuesday"))
    assert list(links) == ["emmy"]
    emmy = Person(course)
    emmy.name = "emmy"
    assert emmy.join(links["emmy"]).status == 303
    link = link_of(room(trainer, 30, hours="4", group="tuesday"))
    path = urlsplit(link).path
    late = Person(course)
    assert late.join(link, "late").status == 303
    assert trainer.api("GET", "/hub/api/groups/tuesday").json()["users"] == ["emmy", "late", "sofia"]
    assert guest.get(path).status == 200                            # whoever has the link could join, and does not by looking

    # An hour before: servers for all of them, of the kind of the course, with its folder and the data.
    assert trainer.post("/hub/admin/ahead", {"group": "tuesday", "at": "", "hours": "3"}, "/hub/admin/ahead").status == 303
    for person in (emmy, sofia):
        wait_for(lambda who=person: server(who).get("ready"), 150)
        home = person.get("/hub/home").text
        assert "4.0 GiB of memory" in home and "Course of Tuesday" in home and "It is kept for" in home
    code = "import os; print(open(os.path.expanduser('~/folders/shared/sea.txt')).read(), open(os.path.expanduser('~/folders/tuesday/notes'), 'a').write('tides'))"
    assert in_kernel(emmy, code) == "salt 5\n"
    assert in_kernel(sofia, "import os; print(open(os.path.expanduser('~/folders/tuesday/notes')).read())") == "tides\n"
    assert "Course of Tuesday" not in guest.get("/hub/home").text

    # In the room: a learner is found, the trainer goes in beside her, and the page before that says whose it is.
    found = trainer.get("/hub/admin?name=emm").text
    assert "Groups: tuesday." in found
    way = re.search(r'href="(/hub/user/emmy/lab)" aria-label="Go into the server of emmy"', found).group(1)
    assert urlsplit(trainer.get(way).location).hostname == "emmy.localhost"
    trainer.name = "trainer"
    page = Lab(trainer, emmy).open()
    assert page.status == 200 and "emmy" in page.text and "/hub/api/oauth2/authorize" in page.url
    assert Person(course).sign_in("sofia", PASSWORD).status == 303      # the own password is what it was
