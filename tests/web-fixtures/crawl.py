"""A site for crawlers: each page is reached in one way alone, by what a page, a script or a file says.

No page answers but to a request that a browser or its user would make: forms are judged, tokens are good once,
and what hangs on a cookie wants it.
"""
import gzip
import itertools
import json
from fixture import Page, page

HTML = ("Content-Type", "text/html; charset=utf-8")
TOKENS, ISSUED = itertools.count(1), set()


def leads(title, body, status=200, headers=()):
    return lambda _: page(title, body, status, headers)


def plain(media, body):
    return lambda _: Page(body, 200, (("Content-Type", media),))


def moved(to, status=302):
    return lambda _: Page("", status, (("Location", to), HTML))


def index(_):
    return page("Harbour", """
        <base href="/town/">
        <a href="/plain">plain</a> <A HREF=/unquoted>unquoted <a href='/single'>single
        <a href="relative">relative to the base</a>
        <a href="/entity?x=1&amp;y=2">two fields</a>
        <a href=" /blanks
">blanks around it</a>
        <a href="/caf&eacute;">beyond ASCII</a>
        <a href="/menu?show=drinks">drinks</a> <a href="/menu?show=food">food</a>
        <map><area href="/area"></map>
        <iframe src="/framed"></iframe>
        <object data="/object"></object>
        <link rel="next" href="/next">
        <form action="/moved"></form>
        <div data-url="/data"></div>
        <button onclick="location.href='/clicked'">click</button>
        <form action="/find" method="get"><input name="q" type="search"><button>find</button></form>
        <form action="/nowhere" method="post"><button formaction="/button" name="b" value="1">other</button></form>
        <a href="/contact">contact</a> <a href="/order">order</a> <a href="/upload">upload</a>
        <a href="/door">members</a> <a href="/wait">wait</a> <a href="/wait-too">wait too</a> <a href="/packed">packed</a>
        <a href="/lost">lost</a> <a href="/refused">refused</a> <a href="/pointing">pointing</a>
        <a href="/deep/roof">deep</a> <a href="/frames">frames</a> <a href="/catalogue">catalogue</a>
        <script>
            // fetch('/not/a/page')
            fetch("/fetched");
            fetch('/api/orders', {method: 'POST', headers: {'Content-Type': 'application/json'},
                                  body: JSON.stringify({item: 'pear', count: 2})});
            var r = new XMLHttpRequest(); r.open('GET', '/asked'); r.send();
            window.menu = ["/string", `/template`];
        </script>
        <script src="/app.js"></script>""", headers=(("Set-Cookie", "visitor=yes; Path=/"),))


def menu(request):
    other = {"drinks": "/drinks", "food": "/food"}.get(request.query.get("show"))
    return page("Menu", f'<a href="{other}">more</a>' if other else "Nothing.")


def find(request):
    return page("Found", '<a href="/found">the first</a>' if request.query.get("q") else "Look for what?")


def button(request):
    return page("Pressed", "It was pressed.", 200 if request.method == "POST" and "b" in request.form else 405)


def contact(request):
    if request.method != "POST":
        return page("Contact", """<form method="post"><input type="email" name="mail"><input type="number" name="age" min="18">
            <select name="topic"><option value="">Choose<option value="help">Help</select>
            <input type="checkbox" name="terms" value="yes"><textarea name="text"></textarea><button>Send</button></form>""")
    form = request.form
    age = form.get("age", "")
    right = (
        "@" in form.get("mail", "") and age.isdigit() and int(age) >= 18 and form.get("topic") == "help"
        and form.get("terms") == "yes" and form.get("text")
    )
    return page("Sent", '<a href="/thanks">thanks</a>') if right else page("Contact", "Please correct it.", 422)


def order(request):
    if request.method != "POST":
        token = f"t{next(TOKENS)}"
        ISSUED.add(token)
        return page("Order", f"""<form method="post"><input type="hidden" name="csrf_token" value="{token}">
            <input name="item" value="pear"><button>Order</button></form>""")
    if request.form.get("csrf_token") not in ISSUED:
        return page("Refused", "The form is too old.", 403)
    ISSUED.discard(request.form["csrf_token"])
    return page("Ordered", '<a href="/ordered">your order</a>')


def upload(request):
    if request.method != "POST":
        return page("Upload", """<form method="post" enctype="multipart/form-data"><input type="file" name="picture">
            <input name="title"><button>Send</button></form>""")
    named = request.form.get("filename") and request.form.get("title")
    return page("Uploaded", '<a href="/uploaded">it</a>') if named else page("Upload", "No file.", 400)


def door(request):
    inside = "visitor=yes" in (request.headers.get("Cookie") or "")
    return page("Members", '<a href="/members">in</a>') if inside else page("Door", "No entry.", 403)


def orders(request):
    try:
        right = request.method == "POST" and json.loads(request.body)["item"]
    except (ValueError, KeyError, TypeError):
        right = False
    answer = {"order": {"number": 7, "links": {"self": "/api/orders/7"}}} if right else {"error": "no order"}
    return Page(json.dumps(answer), 200 if right else 400, (("Content-Type", "application/json"),))


def floor(number):
    below = f'<a href="/deep/{FLOORS[number + 1]}">down</a>' if number + 1 < len(FLOORS) else "It ends here."
    return leads(FLOORS[number].title(), below)


def packed(_):
    body = page("Packed", '<a href="/unpacked">open it</a>').body.encode()
    return Page(gzip.compress(body), 200, (HTML, ("Content-Encoding", "gzip")))


APP = 'const routes = {home: "/script/route"};\n//# sourceMappingURL=/app.js.map\n'
MAP = json.dumps({"version": 3, "sources": ["app.ts"], "sourcesContent": ["open('/source/map')"], "mappings": ""})
SITEMAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>{}</loc></url></urlset>'
MAPS = (
    '<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    "<sitemap><loc>{}</loc></sitemap></sitemapindex>"
)


def pages():
    def here(request, path):
        return f"http://{request.headers['Host']}{path}"
    end = {path: leads(path.strip("/").title(), "Nothing leads on from here.") for path in ENDS}
    return end | {
        "/": index,
        "/menu": menu, "/find": find, "/button": button, "/contact": contact, "/order": order, "/upload": upload, "/door": door,
        "/api/orders": orders, "/packed": packed,
        "/api/orders/7": plain("application/json", '{"state": "open"}'),
        "/moved": moved("/arrived"),
        "/wait": leads("Wait", '<meta http-equiv="refresh" content="3; url=/waited">'),
        "/wait-too": leads("Wait", "A moment.", headers=(("Refresh", "3; url=/waited-too"),)),
        "/lost": leads("Lost", '<a href="/from-lost">help</a>', 404),
        "/refused": leads("Refused", '<a href="/from-refused">help</a>', 403),
        "/pointing": leads("Pointing", "There.", headers=(("Link", "</pointed>; rel=next"),)),
        "/frames": lambda _: Page('<html><frameset cols="*"><frame src="/frame"></frameset></html>', 200, (HTML,)),
        "/catalogue": lambda _: Page(
            '<html><body><ul><li><a href="/broken-html" <b>x</a><li><table><a href=\'/in-table\'>y<td></ul', 200, (HTML,)),
        "/app.js": plain("text/javascript", APP),
        "/app.js.map": plain("application/json", MAP),
        "/robots.txt": lambda request: Page(
            f"User-agent: *\nDisallow: /for-no-robot\nSitemap: {here(request, '/maps.xml')}\n", 200, (("Content-Type", "text/plain"),)),
        "/maps.xml": lambda request: Page(
            MAPS.format(here(request, "/map-1.xml")), 200, (("Content-Type", "application/xml"),)),
        "/map-1.xml": lambda request: Page(
            SITEMAP.format(here(request, "/on-the-map?a=1&amp;b=2")), 200, (("Content-Type", "application/xml"),)),
        **{f"/deep/{name}": floor(number) for number, name in enumerate(FLOORS)},
    }


FLOORS = ("roof", "attic", "third", "second", "first", "ground", "basement", "cellar")
# Pages that lead nowhere.
ENDS = (
    "/plain", "/unquoted", "/single", "/town/relative", "/entity", "/blanks", "/caf%C3%A9", "/drinks", "/food", "/area", "/framed",
    "/object", "/next", "/arrived", "/data", "/clicked", "/found", "/thanks", "/ordered", "/uploaded", "/members", "/waited",
    "/waited-too", "/unpacked", "/from-lost", "/from-refused", "/pointed", "/frame", "/broken-html", "/in-table", "/fetched",
    "/asked", "/string", "/template", "/script/route", "/source/map", "/for-no-robot", "/on-the-map",
)
# What is counted: the ends, and what answers with a page only when it is asked rightly.
REACHABLE = [*ENDS, "/button", "/deep/cellar", "/api/orders", "/api/orders/7"]


def cases(_):
    return []
