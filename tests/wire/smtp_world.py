"""A mail server for the tests: aiosmtpd, with STARTTLS or TLS from the first byte, sign-in, and answers that a test chooses."""
import asyncio
import contextlib
import datetime
import email
import ipaddress
import socket
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder, name="localhost"):
    """cert.pem and key.pem there, which sign themselves."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))])
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(True, None), True).add_extension(names, False).sign(key, hashes.SHA256()))
    cert, private = folder / "mail-cert.pem", folder / "mail-key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    cert.chmod(0o644)
    return cert, private


class Server:
    """reply: address -> answer to RCPT, a function of how often it was asked. hold: DATA is answered when it is set again."""

    def __init__(self, port, folder, user="hub", password="a:secret & more", mode="starttls"):
        self.port, self.user, self.password, self.mode = port, user, password, mode
        self.mails, self.signed_in, self.in_clear = [], [], []
        self.reply, self.asked = {}, {}
        self.free = threading.Event()
        self.free.set()
        self.cert, key = certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, key)
        self.controller = None

    # aiosmtpd's hooks
    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked[address] = self.asked.get(address, 0) + 1
        answer = self.reply.get(address, lambda n: None)(self.asked[address])
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.in_clear.append(session.ssl is None and self.mode != "smtps")
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content, session.host_name))
        while not self.free.is_set():
            await asyncio.sleep(0.05)
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        self.signed_in.append((data.login.decode(), data.password.decode(), session.ssl is not None or self.mode == "smtps"))
        return AuthResult(success=self.signed_in[-1][:2] == (self.user, self.password), handled=False)

    def factory(self):
        tls = {"starttls": {"tls_context": self.context, "require_starttls": True}, "plain": {}, "smtps": {}}[self.mode]
        return SMTP(self, authenticator=self.authenticate, auth_required=True, auth_require_tls=self.mode == "starttls", hostname="mail.test", **tls)

    def greet(self):
        context = ssl.create_default_context(cafile=self.cert)
        with socket.create_connection(("127.0.0.1", self.port), 60) as s, context.wrap_socket(s, server_hostname="localhost") as t:
            assert t.recv(1024).startswith(b"220")

    @contextlib.contextmanager
    def running(self):
        server = self

        class Own(Controller):
            def factory(self):
                return server.factory()
        controller = Own(self, hostname="127.0.0.1", port=self.port, ssl_context=self.context if self.mode == "smtps" else None, ready_timeout=60)
        if self.mode == "smtps":
            controller._trigger_server = self.greet      # its own knows no authority of ours
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    def to(self, address):
        """The mails that came for it, parsed."""
        return [email.message_from_bytes(content) for _, to, content, _ in self.mails if to == [address]]
