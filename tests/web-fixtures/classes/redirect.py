"""Redirects: how a place to go is judged, and how the browser is sent there."""
import html
import json
import urllib.parse
from fixture import Case, Page, page


def header(to): return Page("", 302, (("Location", to),))
def meta(to): return page("One moment", f'<meta http-equiv="refresh" content="0; url={html.escape(to)}">')
def script(to): return page("One moment", "<script>window.location.href = " + json.dumps(to).replace("<", "\\u003c") + ";</script>")
def refresh(to): return Page("One moment", 200, (("Refresh", "1; url=" + to), ("Content-Type", "text/html")))


def anything(v): return v
def relative_only_by_slash(v): return v if v.startswith("/") else "/"
def no_double_slash(v): return v if v.startswith("/") and not v.startswith("//") else "/"
def holds_our_name(v): return v if "127.0.0.1" in v else "/"
def no_scheme(v): return v if "://" not in v else "/"
def begins_with_us(v, request): return v if v.startswith("http://" + request.headers["Host"].split(":")[0]) or v.startswith("/") and v[1:2] not in ("/", "\\") else "/"


def parsed(v):
    parts = urllib.parse.urlparse(v)
    return v if not parts.scheme and not parts.netloc and v.startswith("/") and not v.startswith("//") and "\\" not in v and v.isprintable() and "\t" not in v else "/"


def listed(v): return v if v in ("/", "/home", "/account") else "/"
def into_path(v): return "/go/" + urllib.parse.quote(v)
def into_query(v): return "/search?to=" + urllib.parse.quote(v, safe="")
def own_host(v): return "http://127.0.0.1/" + urllib.parse.quote(v.lstrip("/\\"))
def shown(v): return None


VULNERABLE = [(anything, way) for way in (header, meta, script, refresh)] + [
    (relative_only_by_slash, header), (relative_only_by_slash, script), (no_double_slash, header), (no_double_slash, meta),
    (holds_our_name, header), (no_scheme, header), (no_scheme, script), (begins_with_us, header),
]
SOUND = [(parsed, way) for way in (header, meta, script, refresh)] + [
    (listed, header), (listed, script), (into_path, header), (into_path, meta), (into_query, header), (into_query, script),
    (own_host, header), (shown, header),
]


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number, (judge, way) in enumerate(table):
            for place, parameter in (("query", "next"), ("form", "url"), ("query", "q"))[: 2 if number % 2 else 1] + ((("query", "q"),) if judge is anything else ()):
                def handle(value, request, judge=judge, way=way):
                    if judge is shown:
                        return page("Leaving", f'<a href="/">You asked to go to {html.escape(value)}</a>')
                    return way(judge(value, request) if judge is begins_with_us else judge(value))
                name = f"{'v' if vulnerable else 'f'}-{judge.__name__.replace('_', '')}-{way.__name__}-{place}-{parameter}"
                made.append(Case(name, vulnerable, handle, place, parameter, "/home"))
    return made
