"""Header fields: where a value comes into the head of the answer, and what is done to its line ends before."""
import json
import urllib.parse
from fixture import Case, Page, page

HTML = ("Content-Type", "text/html; charset=utf-8")


def moved(v): return Page("", 302, (("Location", "/home?back=" + v), HTML), raw=True)
def cookie(v): return Page("<p>Kept.</p>", 200, (("Set-Cookie", f"lang={v}; Path=/nowhere"), HTML), raw=True)
def own(v): return Page("<p>Here.</p>", 200, (("X-Asked", v), HTML), raw=True)
def file(v): return Page("data", 200, (("Content-Disposition", f'attachment; filename="{v}"'), ("Content-Type", "text/csv")), raw=True)
def type_(v): return Page("<p>Here.</p>", 200, (("Content-Type", "text/" + v),), raw=True)


def none(v): return v
def no_pair(v): return v.replace("\r\n", "")
def no_return(v): return v.replace("\r", "")
def unquoted(v): return urllib.parse.unquote(v.replace("\r", "").replace("\n", ""))
def narrowed(v): return bytes(ord(c) & 0xFF for c in v.replace("\r", "").replace("\n", "")).decode("latin-1")


def no_lines(v): return v.replace("\r", "").replace("\n", "")
def quoted(v): return urllib.parse.quote(v)
def in_json(v): return json.dumps(v)[1:-1]
def words(v): return "".join(c for c in v if c.isalnum() and c.isascii())
def refused(v): return v if v.isprintable() and v.isascii() else "none"
def first_line(v): return (v.splitlines() or [""])[0].encode("ascii", "ignore").decode()


VULNERABLE = [
    (moved, none), (cookie, none), (own, none), (file, none), (type_, none), (moved, no_pair), (cookie, no_pair), (own, no_pair),
    (moved, no_return), (file, no_return), (own, no_return), (moved, unquoted), (cookie, unquoted), (own, narrowed), (file, narrowed),
]
SOUND = [
    (moved, no_lines), (cookie, no_lines), (own, no_lines), (file, no_lines), (type_, words), (moved, quoted), (cookie, quoted),
    (own, quoted), (file, in_json), (moved, in_json), (own, refused), (file, refused), (moved, refused), (cookie, first_line),
    (own, first_line),
]
PLACES = ("query", "form", "json")


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number, (where, judge) in enumerate(table):
            def handle(value, _, where=where, judge=judge):
                return where(judge(value))
            name = f"{'v' if vulnerable else 'f'}-{where.__name__.strip('_')}-{judge.__name__.replace('_', '')}"
            made.append(Case(name, vulnerable, handle, PLACES[number % len(PLACES)], "lang", "html" if where is type_ else "en"))
    # What would be a header field stands in the page.
    made.append(Case("f-shown", False, lambda value, _: page("Shown", "<pre>" + value.replace("<", "&lt;") + "</pre>"), value="en"))
    return made
