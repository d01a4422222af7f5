"""Hosts: which field is taken for the name of the host, how it is judged, and what is made of it."""
import json
import re
from fixture import Case, Page, escape, page

HTML = ("Content-Type", "text/html; charset=utf-8")
NAME = "shop.example"


def moved(base): return Page("", 302, (("Location", base + "/home"), HTML))
def link(base): return page("Reset", f'<p>Follow <a href="{escape(base)}/reset?code=7">this link</a>.</p>')
def script(base): return page("Shop", f'<script src="{escape(base)}/static/app.js"></script><p>Welcome.</p>')
def form(base): return page("Shop", f'<form action="{escape(base)}/find"><input name="words"><button>Find</button></form>')
def canonical(base): return Page(f'<html><head><link rel="canonical" href="{escape(base)}/shop"></head><body><p>Shop', 200, (HTML,))
def meta(base): return Page(f'<html><head><meta property="og:url" content="{escape(base)}/shop"></head><body><p>Shop', 200, (HTML,))
def configured(base): return page("Shop", "<script>const api = " + json.dumps(base + "/api").replace("<", "\\u003c") + ";</script>")
def document(base): return Page(json.dumps({"items": [7], "next": base + "/items?page=2"}), 200, (("Content-Type", "application/json"),))


def any_host(v): return v
def first(v): return v.split(",")[0].strip()
def without_port(v): return v.split(":")[0]
def plain(v): return re.sub(r"[^A-Za-z0-9.:-]", "", v)
def has_a_dot(v): return v if "." in v else NAME
def refuses_quotes(v): return NAME if re.search("[\"'<>]", v) else v
def of_pair(v): return v.split("host=")[1].split(";")[0] if "host=" in v else NAME


def fixed(_): return NAME
def listed(v): return v if v.split(":")[0] in (NAME, "127.0.0.1") else NAME
def below(v): return v if v.split(":")[0].endswith("." + NAME) else NAME


def relative(_): return page("Reset", '<p>Follow <a href="/reset?code=7">this link</a>, or <a href="https://help.example/">ask</a>.</p>')
def shown(v): return page("Shop", f'<p>You asked {escape(v)}. <a href="https://{NAME}/">Shop</a></p>')
def in_query(v): return page("Shop", f'<a href="https://{NAME}/login?from=https%3A%2F%2F{escape(v)}%2F">Log in</a>')
def as_path(v): return page("Shop", f'<a href="https://{NAME}/sites/{escape(v)}/">This site</a>')
def refusing(v): return link("http://" + v) if listed(v) == v else page("Misdirected", f'<a href="https://{NAME}/">Shop</a>', 421)


VULNERABLE = [
    ("X-Forwarded-Host", moved, any_host), ("X-Forwarded-Host", link, any_host), ("X-Forwarded-Host", script, first),
    ("X-Forwarded-Host", document, plain), ("X-Forwarded-Host", configured, without_port), ("X-Forwarded-Host", meta, has_a_dot),
    ("Host", link, any_host), ("Host", form, any_host), ("Host", canonical, plain), ("Host", moved, without_port), ("Host", document, any_host),
    ("X-Host", link, refuses_quotes), ("X-Forwarded-Server", script, any_host), ("X-Original-Host", moved, plain),
    ("X-HTTP-Host-Override", form, any_host), ("Forwarded", link, of_pair), ("Forwarded", moved, of_pair),
]
SOUND = [(field, show, judge) for field, show, judge in (
    ("X-Forwarded-Host", moved, fixed), ("X-Forwarded-Host", link, listed), ("X-Forwarded-Host", script, fixed),
    ("X-Forwarded-Host", document, below), ("Host", link, fixed), ("Host", form, listed), ("Host", canonical, below),
    ("Host", moved, fixed), ("Host", document, listed), ("X-Host", link, fixed), ("X-Forwarded-Server", script, listed),
    ("Forwarded", meta, fixed), ("Forwarded", configured, listed),
)]
SOUND_PAGES = [("Host", relative), ("Host", shown), ("X-Forwarded-Host", in_query), ("X-Forwarded-Host", as_path), ("Host", refusing)]


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for field, show, judge in table:
            def handle(value, request, show=show, judge=judge):
                # Whoever takes the name from a proxy's field takes the request's own where there is none.
                return show("http://" + judge(value or request.headers["Host"]))
            name = f"{'v' if vulnerable else 'f'}-{field.lower()}-{show.__name__}-{judge.__name__.replace('_', '')}"
            made.append(Case(name, vulnerable, handle, "header", field, "", (("q", "1"),)))
    for field, show in SOUND_PAGES:
        def handle(value, request, show=show):
            return show(value or request.headers["Host"])
        made.append(Case(f"f-{field.lower()}-{show.__name__.replace('_', '')}", False, handle, "header", field, "", (("q", "1"),)))
    return made
