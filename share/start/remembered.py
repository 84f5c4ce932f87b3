"""What the software environment and the machine alone decide, found out once in the parent instead of in every fork of it.

Answers of functions that are asked again and again at each start and say the same to everybody: nothing here depends on the user, the home
or the environment variables; where they could matter, the fork asks itself. Each is asked anew when what it was read from has changed.
"""
import functools
import json
import os
import platform
import shutil
import subprocess
import sys

NO_HOME = "/no-home"
R_PATIENCE_S = 30
R_FILES = ".Renviron", ".Rprofile"     # of the home or the folder in which R begins: they may name other libraries


def remember():
    """Before the parent imports what servers import."""
    platform.processor()     # keeps what it has learnt; servers would run uname for it
    remember_entry_points()


def remember_imported():
    """After it has: of packages that are in memory. One that is no longer as it is known here is left as it is, and only slower."""
    for package, part in (("jupyter_lsp.specs.r_languageserver", remember_language_server_of_r), ("jupyter_lsp.manager", remember_right_language_servers),
                          ("jupyter_events.schema_registry", remember_event_schemas), ("httpx", remember_authorities),
                          ("traitlets.config.application", remember_no_arguments)):
        if package in sys.modules:
            try:
                part()
            except Exception as e:  # a package may raise anything
                print(f"prepared parent: {part.__name__}: {e!r}", file=sys.stderr, flush=True)


def as_of(folders):
    """Changes when something is installed into one of these folders or removed."""
    return tuple((folder, os.stat(folder).st_mtime_ns if os.path.exists(folder) else None) for folder in folders)


def remember_entry_points():
    """importlib.metadata reads a file of each installed package for each question; a start of JupyterLab asks seven times."""
    import importlib.metadata

    ask = importlib.metadata.entry_points
    known = {}     # of one state of sys.path

    @functools.wraps(ask)
    def entry_points(**wanted):
        now = as_of(sys.path)
        if now not in known:
            everything = ask()
            known.clear()
            known[now] = everything
        return known[now].select(**wanted) if wanted else ask()

    importlib.metadata.entry_points = entry_points


def remember_language_server_of_r():
    """Where there is R, jupyter_lsp runs it in every server to learn whether its package `languageserver` is installed, which takes as much CPU as
    all else of a start. Here R is asked once, for that and for its libraries; a server of somebody who has a library or settings of R asks itself."""
    from jupyter_lsp.specs.r_languageserver import RLanguageServer

    path = f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"     # as servers have it
    program = shutil.which(RLanguageServer.cmd, path=path)
    if not program:
        return
    question = f"writeLines(c(system.file(package='{RLanguageServer.package}'), Sys.getenv('R_LIBS_USER'), .libPaths()))"
    said = subprocess.run([program, "-e", question], env={"PATH": path, "HOME": NO_HOME, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, check=True, timeout=R_PATIENCE_S)
    found, of_user, *libraries = said.stdout.splitlines()
    then, ask = as_of(libraries), RLanguageServer.is_installed

    def is_for_everybody():
        home = os.path.expanduser("~")
        own = [library.replace(NO_HOME, home) for library in of_user.split(":") if library]
        own += [os.path.join(folder, name) for folder in (home, os.getcwd()) for name in R_FILES]
        return not any(name.startswith("R_") for name in os.environ) and not any(map(os.path.lexists, own)) and as_of(libraries) == then

    @functools.wraps(ask)
    def is_installed(self, mgr):
        if self.solve() == program and is_for_everybody():
            return found != ""
        return ask(self, mgr)

    RLanguageServer.is_installed = is_installed


class Remembering:
    """A validator that does not check again what was right."""

    def __init__(self, validator):
        self.validator, self.right, self.learning = validator, set(), True

    def __getattr__(self, name):
        return getattr(self.validator, name)

    def iter_errors(self, document):
        text = json.dumps(document, sort_keys=True)
        if text in self.right:
            return []
        errors = list(self.validator.iter_errors(document))
        if self.learning and not errors:
            self.right.add(text)
        return errors


def remember_right_language_servers():
    """jupyter_lsp checks what it knows of each language server by a schema. Only what it says itself is learnt here; what somebody has configured
    comes another way, and what is said otherwise in a server, such as the path of a program, is checked there."""
    from jupyter_lsp import manager

    manager.LANGUAGE_SERVER_SPEC_MAP = validator = Remembering(manager.LANGUAGE_SERVER_SPEC_MAP)
    list(manager.LanguageServerManager(node_roots=[])._autodetect_language_servers(only_installed=False))
    validator.learning = False


def remember_no_arguments():
    """Traitlets makes a parser of all options of all classes to read a command line; most applications of a server have none to read."""
    from traitlets.config.application import Application
    from traitlets.config.loader import Config

    parse = Application.parse_command_line

    @functools.wraps(parse)
    def parse_command_line(self, argv=None):
        if (sys.argv[1:] if argv is None else argv) or "_ARGCOMPLETE" in os.environ:
            return parse(self, argv)
        self.argv, self.extra_args, self.cli_config = [], [], Config()
        self.update_config(self.cli_config)

    Application.parse_command_line = parse_command_line


def remember_event_schemas():
    """Jupyter Server reads three files, checks them by the schema of schemas and makes validators, which are the same for everybody."""
    from jupyter_events.schema import EventSchema
    from jupyter_events.schema_registry import SchemaRegistry
    from jupyter_server import DEFAULT_EVENTS_SCHEMA_PATH

    register = SchemaRegistry.register
    known = {path: (as_of([path]), EventSchema(path)) for path in DEFAULT_EVENTS_SCHEMA_PATH.glob("*/*.yaml")}

    @functools.wraps(register)
    def register_known(self, schema):
        then, ready = known.get(schema, (None, None)) if isinstance(schema, os.PathLike) else (None, None)
        return register(self, ready if ready and as_of([schema]) == then else schema)

    SchemaRegistry.register = register_known


def remember_authorities():
    """JupyterLab's extension manager makes a client of httpx, which reads all authorities that certifi lists. The first client of a fork that
    wants just these gets the context that is ready; one context is given once, as whoever gets it may change it."""
    import certifi
    import httpx._transports.default as transports

    create, then = transports.create_ssl_context, as_of([certifi.where()])
    ready = [create(trust_env=False)]

    @functools.wraps(create)
    def create_ssl_context(verify=True, cert=None, trust_env=True):
        own = trust_env and any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"))
        if verify is True and not cert and not own and ready and as_of([certifi.where()]) == then:
            return ready.pop()
        return create(verify=verify, cert=cert, trust_env=trust_env)

    transports.create_ssl_context = create_ssl_context
