"""Caches: nginx in front, as it keeps answers; what it tells requests apart by, what it hands on, and what is made of a field."""
import json
import os
import socket
import subprocess
import time
from fixture import Case, Page, escape, page

HTML = ("Content-Type", "text/html; charset=utf-8")
KEEP = ("Cache-Control", "public, max-age=600")
NAME = "shop.example"
MADE = []


def link(base, *more): return page("Shop", f'<a href="{escape(base)}/basket">Basket</a>', 200, (KEEP, *more))
def script(base, *more): return page("Shop", f'<script src="{escape(base)}/static/app.js"></script><p>Welcome.</p>', 200, (KEEP, *more))
def canonical(base, *more): return page("Shop", f'<meta property="og:url" content="{escape(base)}/shop"><p>Welcome.</p>', 200, (KEEP, *more))
def moved(base, *more): return Page(f"{time.monotonic_ns()}", 302, (("Location", base + "/home"), HTML, KEEP, *more))
def document(base, *more):
    return Page(json.dumps({"next": base + "/items?page=2", "at": time.monotonic_ns()}), 200, (("Content-Type", "application/json"), KEEP, *more))
# The same each time: that nginx has kept it, a field says alone.
def still(base, *more): return Page(f'<html><body><a href="{escape(base)}/basket">Basket</a>', 200, (HTML, KEEP, *more))


def of_host(v, field):
    if field == "X-Forwarded-Prefix":
        return f"https://{NAME}{v}"
    host = v.split("host=")[1].split(";")[0] if field == "Forwarded" and "host=" in v else v
    return "https://" + (host or NAME)
def fixed(v, field): return "https://" + NAME
def listed(v, field): return "https://" + (v if v == NAME else NAME)


# What nginx is told, beside where the application is.
BY_URL = 'proxy_cache_key "$request_uri";'
CONFIGURED = {
    "by-url": BY_URL,
    "said": BY_URL + " add_header X-Cache-Status $upstream_cache_status always;",
    "by-field": 'proxy_cache_key "$request_uri $http_x_forwarded_host $http_x_host $http_forwarded $http_x_forwarded_prefix";',
    "stripped": BY_URL + ' proxy_set_header X-Forwarded-Host ""; proxy_set_header X-Host ""; proxy_set_header Forwarded ""; proxy_set_header X-Forwarded-Prefix "";',
    "off": "proxy_cache off;",
    # Whoever sends a word here hands it to everybody.
    "by-path": 'proxy_cache_key "$uri";',
    "by-path-said": 'proxy_cache_key "$uri"; add_header X-Cache-Status $upstream_cache_status always;',
}
VULNERABLE = [
    ("X-Forwarded-Host", link, "by-url"), ("X-Forwarded-Host", script, "said"), ("X-Forwarded-Host", moved, "by-url"), ("X-Forwarded-Host", document, "said"),
    ("X-Forwarded-Host", still, "said"), ("X-Host", link, "by-url"), ("X-Host", script, "by-url"), ("X-Forwarded-Server", canonical, "by-url"),
    ("X-Forwarded-Server", still, "said"), ("X-Original-Host", moved, "said"), ("X-HTTP-Host-Override", script, "by-url"), ("Forwarded", link, "by-url"),
    ("Forwarded", document, "by-url"), ("X-Forwarded-Prefix", link, "by-url"), ("X-Forwarded-Prefix", script, "said"), ("X-Forwarded-Prefix", moved, "by-url"),
]
SOUND = [("X-Forwarded-Prefix", show, configured, of_host, ()) for show, configured in (
    (link, "by-field"), (script, "by-field"), (document, "by-field"), (moved, "stripped"), (link, "stripped"), (link, "off"), (still, "off"),
    (link, "by-path"), (still, "by-path"), (script, "by-path-said"),
)] + [
    ("X-Forwarded-Prefix", link, "by-url", of_host, (("Vary", "X-Forwarded-Prefix"),)), ("X-Forwarded-Prefix", script, "said", of_host, (("Vary", "X-Forwarded-Prefix"),)),
    ("X-Forwarded-Prefix", link, "by-url", of_host, (("Set-Cookie", "seen=1; Path=/; HttpOnly; SameSite=Lax"),)),
    ("X-Forwarded-Prefix", document, "said", of_host, (("X-Accel-Expires", "0"),)),
    ("X-Forwarded-Host", script, "by-url", fixed, ()), ("X-Forwarded-Host", link, "said", listed, ()), ("Forwarded", moved, "by-url", fixed, ()), ("X-Host", still, "said", listed, ()),
]


def cases(backends):
    made = []
    rows = [(True, *row, of_host, ()) for row in VULNERABLE] + [(False, *row) for row in SOUND]
    for vulnerable, field, show, configured, judge, more in rows:
        def handle(_, request, field=field, show=show, judge=judge, more=more):
            return show(judge(request.headers.get(field, ""), field), *more)
        parts = ("v" if vulnerable else "f", field.lower(), show.__name__, configured, judge.__name__.replace("_", ""), *(name.lower() for name, _ in more))
        case = Case("-".join(parts), vulnerable, handle, "header", field, "", (("q", "1"),))
        case.configured = configured
        made.append(case)
    MADE[:] = made
    return made


class Front:
    """nginx between the scanner and the application."""

    def __init__(self, backends, application):
        folder = os.path.join(backends.folder, "nginx")
        os.mkdir(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = os.path.join(folder, "access")
        to = f"proxy_pass http://127.0.0.1:{application}; proxy_http_version 1.1; proxy_set_header Host $http_host;"
        places = "".join(f"location /{case.name} {{ {to} {CONFIGURED[case.configured]} }}\n" for case in MADE)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(folder, "conf"), "w") as conf:
            conf.write(
                f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null; events {{ }}\n"
                f"http {{ access_log {self.log}; {temporary} proxy_cache_path {folder}/kept keys_zone=kept:1m;\n"
                f"server {{ listen 127.0.0.1:{self.port}; proxy_cache kept; proxy_cache_valid 302 10m; keepalive_requests 100000;\n"
                f"location / {{ {to} proxy_cache off; }}\n{places} }} }}\n"
            )
        backends._spawn(["/usr/sbin/nginx", "-p", folder, "-c", f"{folder}/conf"])
        backends._wait(lambda: socket.create_connection(("127.0.0.1", self.port)).close())

    def requests(self):
        """What came to it: what it answers from what it has kept, the application does not see."""
        with open(self.log) as log:
            return sum(1 for _ in log)


def front(backends, application):
    return Front(backends, application)
