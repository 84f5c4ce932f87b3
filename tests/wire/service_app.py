"""A program that people sign in to, as JupyterHub's documentation shows one: HubOAuth for browsers, HubAuth for tokens, both unchanged.

Its settings come by the environment that JupyterHub's own services get; its arguments are a port and `browsers` or `tokens`: one program has one
of the two.
"""
import os
import sys

from jupyterhub.services.auth import HubAuthenticated, HubOAuthCallbackHandler, HubOAuthenticated
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler, authenticated


class Page(HubOAuthenticated, RequestHandler):
    @authenticated
    def get(self):
        self.write(self.get_current_user())


class ByToken(HubAuthenticated, RequestHandler):
    @authenticated
    def get(self):
        self.write(self.get_current_user())


class Logout(HubOAuthenticated, RequestHandler):
    def get(self):
        self.hub_auth.clear_cookie(self)
        self.redirect(os.environ["JUPYTERHUB_HOST"] + "/hub/logout")


if __name__ == "__main__":
    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    pages = {"browsers": [(prefix, Page), (prefix + "logout", Logout), (prefix + "oauth_callback", HubOAuthCallbackHandler)],
             "tokens": [(prefix, ByToken)]}
    Application(pages[sys.argv[2]],
                cookie_secret=os.urandom(32)).listen(int(sys.argv[1]), "127.0.0.1")
    IOLoop.current().start()
