"""What is too large, malformed or in the wrong place: the right status, a clear message, and the hub goes on."""
import json
import socket

import pytest
from hub_client import request

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def raw(platform, text, port=None):
    with socket.create_connection(("127.0.0.1", port or platform.port), 10) as s:
        s.settimeout(10)
        try:
            s.sendall(text)
        except OSError:
            pass  # refused before all was read
        data = b""
        try:
            while chunk := s.recv(65536):
                data += chunk
                if len(data) > 1 << 20:
                    break
        except OSError:
            pass
    return data.split(b"\r\n", 1)[0].decode("latin-1")


def head(platform):
    return f" HTTP/1.1\r\nHost: 127.0.0.1:{platform.port}\r\nConnection: close\r\n".encode()


def test_body_of_10_mib(platform):
    a = request("POST", platform.hub + "/hub/login", b"a" * (10 << 20), {**FORM, "Accept": "text/html"})
    assert a.status == 413 and "larger than" in a.text
    a = request("POST", platform.hub + "/hub/api/oauth2/token", b"a" * (20 << 10), FORM)
    assert a.status == 413 and "larger than 16 KiB" in a.json()["message"]


def test_chunked_body_of_10_mib(platform):
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    text = b"POST /hub/login" + head(platform) + b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    # HAProxy cannot know when such a body is whole, and the hub is given whole requests only.
    assert " 411" in raw(platform, text + chunk * 160 + b"0\r\n\r\n")


def test_header_of_10_mib(platform):
    line = raw(platform, b"GET /hub/login" + head(platform) + b"X-Big: " + b"a" * (10 << 20) + b"\r\n\r\n")
    assert line == "" or line.split()[1] in ("400", "431")


def test_many_headers_and_long_address(platform):
    many = b"".join(b"X-%d: y\r\n" % i for i in range(5000))
    assert raw(platform, b"GET /hub/login" + head(platform) + many + b"\r\n").split()[1] in ("400", "431")
    assert raw(platform, b"GET /hub/login?x=" + b"a" * 12000 + head(platform) + b"\r\n").split()[1] in ("400", "414")
    assert raw(platform, b"GET /hub/login?x=" + b"a" * 9000 + head(platform) + b"\r\n").split()[1] == "414"


@pytest.mark.parametrize("door", ["hub", "api"])
@pytest.mark.parametrize("n", [200, 1000, 2600, 8000])
def test_many_parameters(platform, door, n):
    """The hub's library fell silent: the connection was open, unanswered and counted, for more than a minute."""
    port = platform.port + (2 if door == "api" else 0)
    address = b"GET /hub/api/user?" + b"a&" * (n // 2) + b"&" * (n - n // 2)
    assert raw(platform, address + head(platform) + b"\r\n", port).split()[1] in ("400", "414")
    assert raw(platform, b"GET /hub/api/?" + b"&" * 199 + head(platform) + b"\r\n", port).split()[1] in ("200", "403")


@pytest.mark.parametrize("n", [1000, 2600, 2800, 8000])
def test_long_address_of_somebody_who_is_not_signed_in(platform, n):
    """Coded for the sign-in page it may be longer than an address, and than the head of an answer."""
    a = request("GET", platform.hub + "/hub/home?" + "(" * n, headers={"Accept": "text/html"})
    assert a.status == 303, a.text
    assert a.location == "/hub/login?next=/hub/home" + ("%3F" + "%28" * n if n < 2700 else "")
    assert request("GET", platform.hub + a.location, headers={"Accept": "text/html"}).status == 200


@pytest.mark.parametrize("path, status", [
    ("/nowhere", 404), ("/hub/static/../hub.sqlite", 404), ("/hub/static/%2e%2e%2fhub.sqlite", 404), ("/hub/%00", 404),
    ("/hub/api/users/%ff", 400), ("/hub/login?x=%zz", 400), ("/hub/join/%00", 400), ("/hub/join/short", 404),
])
def test_odd_addresses(platform, path, status):
    assert request("GET", platform.hub + path, headers={"Accept": "text/html"}).status == status


def test_methods(platform):
    a = request("DELETE", platform.hub + "/hub/login")
    assert a.status == 405 and "POST" in a.headers["Allow"]
    assert request("HEAD", platform.hub + "/hub/login").status == 200


def test_errors_are_json_for_programs_and_pages_for_people(platform):
    a = request("GET", platform.hub + "/hub/api/nowhere")
    assert a.status == 404 and a.json() == {"status": 404, "message": a.json()["message"]}
    a = request("GET", platform.hub + "/nowhere", headers={"Accept": "text/html"})
    assert a.headers["Content-Type"].startswith("text/html") and "Nothing here" in a.text


def test_content_types(platform, person):
    csrf = {"X-CSRF": person.csrf(), "Accept": "application/json"}
    path = f"/hub/api/users/{person.name}/activity"
    assert person.ask("POST", path, "<x/>", {**csrf, "Content-Type": "text/xml"}).status == 415
    assert person.ask("POST", path, "{", {**csrf, "Content-Type": "application/json"}).status == 400
    assert person.ask("POST", path, "[" * 10000, {**csrf, "Content-Type": "application/json"}).status == 400
    assert person.ask("POST", path, json.dumps([1]), {**csrf, "Content-Type": "application/json"}).status == 400


def test_too_many_fields(platform):
    body = "&".join(f"f{i}=x" for i in range(100))
    assert request("POST", platform.hub + "/hub/login", body, FORM).status == 400


def test_api_port_serves_only_the_api(platform):
    base = f"http://127.0.0.1:{platform.port + 2}"
    a = request("GET", base + "/hub/api")
    assert a.status == 200 and a.headers["X-JupyterHub-Version"].startswith("6.")
    for path in ("/hub/login", "/hub/home", "/", "/hub/api/../login"):
        assert request("GET", base + path).status in (400, 404), path


def test_forwarded_address_cannot_be_chosen(platform):
    from hub_client import Person
    other = Person(platform)
    other.post("/hub/login", {"username": "spoof-check", "password": "wrong wrong"}, "/hub/login", headers={"X-Forwarded-For": "203.0.113.9"})
    assert "from=203.0.113.9" not in platform.log.read_text()
    assert "user=spoof-check from=127.0.0.1" in platform.log.read_text()
