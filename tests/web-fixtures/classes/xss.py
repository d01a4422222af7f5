"""Cross-site scripting: where the value is put into a page, and what is done to it before."""
import html
import json
import re
import urllib.parse
from fixture import Case, Page, page

STORED = {}


def text(v): return f"<p>Results for {v}</p>"
def double(v): return f'<input name="again" value="{v}">'
def single(v): return f"<input name='again' value='{v}'>"
def bare(v): return f"<input name=again value={v}>"
def link(v): return f'<a href="{v}">your page</a>'
def string(v): return f"<script>var query = '{v}';</script>"
def dstring(v): return f'<script>var query = "{v}";</script>'
def template(v): return f"<script>var query = `{v}`;</script>"
def code(v): return f"<script>var count = {v};</script>"
def handler(v): return f"""<button onclick="search('{v}')">again</button>"""
def comment(v): return f"<!-- asked for {v} -->"
def textarea(v): return f"<textarea>{v}</textarea>"
def style(v): return f"<style>.a {{ content: '{v}' }}</style>"


def none(v): return v
def angles(v): return v.replace("<", "&lt;").replace(">", "&gt;")
def quotes(v): return v.replace("'", "&#39;").replace('"', "&quot;")
def no_script_tag(v): return re.sub(r"(?i)</?(script|svg)[^>]*>", "", v)
def once_script(v): return v.replace("<script>", "").replace("</script>", "").replace("svg", "").replace("img", "").replace("details", "")
def lower_script(v): return v.replace("<script", "").replace("svg", "_").replace("<img", "").replace("<details", "")
def slashes(v): return v.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
def quote_only(v): return v.replace("'", "\\'").replace('"', '\\"')
def twice(v): return urllib.parse.unquote(html.escape(v))
def escape(v): return html.escape(v)
def js(v): return json.dumps(v)[1:-1].replace("<", "\\u003c").replace("'", "\\u0027")
def words(v): return re.sub(r"[^A-Za-z0-9 ]", "", v)
def only_http(v): return html.escape(v) if v.startswith(("http://", "https://", "/")) else "#"
def number(v): return str(int(v)) if v.isdigit() else "0"


VULNERABLE = [
    (text, none), (text, quotes), (text, no_script_tag), (text, lower_script), (text, once_script), (text, twice),
    (double, none), (double, angles), (single, none), (single, angles), (bare, angles), (bare, quotes),
    (link, escape), (string, none), (string, angles), (string, quote_only), (dstring, none), (template, escape),
    (code, angles), (handler, none), (handler, angles), (comment, none), (textarea, none), (style, none),
]
SOUND = [
    (text, escape), (text, angles), (text, words), (double, escape), (single, escape), (double, words), (link, only_http),
    (string, js), (dstring, js), (code, number), (handler, words), (comment, angles), (textarea, escape),
    (textarea, angles), (style, words), (template, words), (bare, words),
]
PLACES = ("query", "form", "json", "cookie", "header")


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number_, (context, filter_) in enumerate(table):
            def handle(value, _, context=context, filter_=filter_):
                return page("Search", context(filter_(value)))
            place = PLACES[number_ % len(PLACES)]
            if context is link or context is code:
                place = "query"
            name = f"{'v' if vulnerable else 'f'}-{context.__name__}-{filter_.__name__.replace('_', '')}-{place}"
            parameter = {"header": "User-Agent", "cookie": f"pref{number_}{int(vulnerable)}"}.get(place, "q")
            value = "7" if context is code else "shoes"
            made.append(Case(name, vulnerable, handle, place, parameter, value))
    # What is not shown as a page does not run.
    for media in ("application/json", "text/plain"):
        def handle(value, _, media=media):
            return Page(json.dumps({"q": value}) if "json" in media else value, headers=(("Content-Type", media), ("X-Content-Type-Options", "nosniff")))
        made.append(Case(f"f-{media.split('/')[1]}", False, handle, value="shoes"))
    # Kept, and shown to the next visitor.
    for vulnerable in (True, False):
        for place in ("form", "json", "multipart"):
            name = f"{'v' if vulnerable else 'f'}-stored-{place}"
            def handle(value, _, name=name):
                STORED.setdefault(name, []).append(value)
                return "Thank you."
            made.append(Case(name, vulnerable, handle, place, "note", "hello"))
    return made


def pages():
    def board(_):
        rows = []
        for name, values in STORED.items():
            show = (lambda v: v) if name.startswith("v") else html.escape
            rows += [f"<li>{show(value)}</li>" for value in values[-60:]]
        return page("Board", "<ul>" + "\n".join(rows) + "</ul>")
    return {"/board": board}
