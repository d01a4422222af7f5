"""Requests that the application makes for others: a real client, and how it judges where to."""
import ipaddress
import re
import socket
import urllib.parse
import urllib.request
from fixture import Case, escape, page

# No name is looked up outside of this machine: only what is an address in some spelling has one.
LOOKED_UP = socket.getaddrinfo


def getaddrinfo(host, *arguments, **named):
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name != "localhost" and not re.fullmatch(r"[0-9a-fA-Fx.:]+", name):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return LOOKED_UP(host, *arguments, **named)


socket.getaddrinfo = getaddrinfo
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url):
    if not url.startswith(("http://", "https://")):
        raise ValueError("not a URL of the web")
    with OPENER.open(url, timeout=3) as answer:
        return answer.read(100000).decode("utf-8", "replace")


def anything(v): return fetch(v)
def no_loopback_text(v): return fetch(v) if "127.0.0.1" not in v else "No."
def no_localhost(v): return fetch(v) if not re.search(r"127\.0\.0\.1|localhost", v) else "No."
def scheme_added(v): return fetch("http://" + v.split("://")[-1])
def any_scheme(v): return fetch("http:" + v if v.startswith("//") else v)


def resolved(v):
    host = urllib.parse.urlparse(v).hostname or ""
    address = ipaddress.ip_address(socket.getaddrinfo(host, 80)[0][4][0])
    return fetch(v) if address.is_global else "No."


def listed(v): return fetch(v) if urllib.parse.urlparse(v).hostname in ("static.example",) else "No."
def own_server(v, request): return "Shown." if urllib.parse.urlparse(v).netloc == request.headers["Host"] else "No."
def of_the_web(v): return escape(v) if v.startswith(("http://", "https://")) else "#"
def never(v): return f'<a href="{of_the_web(v)}">{escape(v)}</a>'
def framed(v): return f'<iframe src="{of_the_web(v)}"></iframe>'


def whole(text): return text
def inside(text): return "<pre>" + escape(text) + "</pre>"
def whether(text): return "It can be reached."


VULNERABLE = [(judge, show) for judge in (anything, no_loopback_text, no_localhost, scheme_added, any_scheme) for show in (whole, inside, whether)]
SOUND = [(judge, show) for judge in (resolved, listed, own_server, never, framed) for show in (whole, inside, whether)]
PLACES = ("query", "form", "json")


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number, (judge, show) in enumerate(table):
            def handle(value, request, judge=judge, show=show):
                try:
                    got = judge(value, request) if judge is own_server else judge(value)
                    return page("Preview", got if judge in (never, framed) or got in ("No.", "Shown.") else show(got))
                except (OSError, ValueError):
                    return page("Preview", "It cannot be reached.")
            place = PLACES[number % 3]
            name = f"{'v' if vulnerable else 'f'}-{judge.__name__.replace('_', '')}-{show.__name__}-{place}"
            made.append(Case(name, vulnerable, handle, place, "url", "http://static.example/logo"))
    return made


def pages():
    return {"/about": lambda _: page("About", "<p>Our harbour shop opens early in the morning and closes late</p>")}
