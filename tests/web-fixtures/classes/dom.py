"""Cross-site scripting in the browser alone: where a script reads, what it does to it, and what it hands it to."""
import itertools
from fixture import Case, page

# Where it is read, and what the input is called.
SOURCES = {
    "hash": ("dom", "hash", "use(decodeURIComponent(location.hash.slice(1)));"),
    "hashfield": ("dom", "hash", "use(new URLSearchParams(location.hash.slice(1)).get('tab'));"),
    "url": ("dom", "hash", "use(decodeURIComponent(document.URL.split('#')[1] || ''));"),
    "search": ("query", "q", "use(new URLSearchParams(location.search).get('q'));"),
    "match": ("query", "q", "use(decodeURIComponent((location.search.match(/[?&]q=([^&]*)/) || [])[1] || ''));"),
    "message": ("dom", "message", "addEventListener('message', (event) => use(event.data));"),
    "field": ("dom", "message", "addEventListener('message', (event) => use(event.data.html));"),
    "json": ("dom", "message", "addEventListener('message', (event) => { try { use(JSON.parse(event.data).text); } catch {} });"),
    "own": ("dom", "message", "addEventListener('message', (event) => { if (event.origin === location.origin) use(event.data); });"),
    "referrer": ("dom", "referrer", "use(decodeURIComponent(document.referrer.split('?')[1] || ''));"),
    "name": ("dom", "name", "use(window.name);"),
    "local": ("dom", "theme", "use(localStorage.getItem('theme'));"),
    "session": ("dom", "draft", "use(sessionStorage.draft);"),
}
SINKS = {
    "html": "out.innerHTML = '<p>Results for ' + v + '</p>';",
    "outer": "out.outerHTML = '<div>' + v + '</div>';",
    "insert": "out.insertAdjacentHTML('beforeend', v);",
    "write": "document.write('<b>' + v + '</b>');",
    "query": "$('#out').html(v);",
    "attribute": "out.innerHTML = '<input value=\"' + v + '\">';",
    "quoted": "eval(\"var picked = '\" + v + \"'\");",
    "timer": "setTimeout(v, 0);",
    "function": "new Function('return ' + v)();",
    "location": "location.href = v;",
    "link": "const link = document.createElement('a'); link.href = v; link.textContent = 'on'; out.append(link);",
    "source": "const script = document.createElement('script'); script.src = v; document.head.append(script);",
    "text": "out.textContent = v;",
    "below": "const script = document.createElement('script'); script.src = '/words/' + v + '.js'; document.head.append(script);",
}
FILTERS = {
    "none": "v",
    "noscript": "v.replace(/<.?script[^>]*>/gi, '')",
    "nohandlers": "v.replace(/<img|<svg|<script|onerror|onload/g, '')",
    "angles": "v.replace(/</g, '&lt;').replace(/>/g, '&gt;')",
    "nodouble": "v.replace(/\"/g, '')",
    "http": "v.includes('https://') ? v : '/'",
    "escape": "v.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/\"/g, '&quot;').replace(/'/g, '&#39;')",
    "number": "Number(v) || 0",
    "listed": "(['news', 'help'].includes(v) ? v : 'news')",
    "web": "(/^https?:\\/\\//i.test(v) ? v : '/')",
    "string": "JSON.stringify(v).slice(1, -1).replace(/'/g, '\\\\u0027')",
    "component": "encodeURIComponent(v)",
    "words": "v.replace(/[^a-z0-9 ]/gi, '')",
    "parsed": "new DOMParser().parseFromString(v, 'text/html').body.textContent.replace(/[<>]/g, '')",
}
VULNERABLE = [
    ("hash", "html", "none"), ("search", "write", "none"), ("message", "timer", "none"), ("referrer", "insert", "none"),
    ("name", "quoted", "none"), ("local", "query", "none"), ("hashfield", "location", "none"), ("match", "attribute", "angles"),
    ("field", "outer", "noscript"), ("session", "function", "none"), ("url", "source", "none"), ("json", "html", "nohandlers"),
    ("hash", "location", "http"), ("search", "link", "none"), ("name", "html", "nodouble"), ("message", "source", "none"),
    ("hash", "quoted", "angles"), ("referrer", "write", "nohandlers"),
]
SOUND = [
    ("hash", "html", "escape"), ("search", "write", "number"), ("own", "timer", "none"), ("referrer", "insert", "escape"),
    ("name", "quoted", "string"), ("local", "text", "none"), ("hashfield", "location", "web"), ("match", "attribute", "escape"),
    ("field", "outer", "words"), ("session", "function", "number"), ("url", "below", "component"), ("json", "text", "none"),
    ("hash", "query", "parsed"), ("search", "link", "web"), ("own", "html", "none"), ("message", "source", "listed"),
    ("hash", "html", "listed"), ("name", "text", "none"),
]
PAGE = """<div id="out"></div><script>
const out = document.querySelector("#out");
const $ = (selector) => ({{ html: (text) => {{ document.querySelector(selector).innerHTML = text; }} }});
function use(v) {{ if (!v) return; v = String({filter}); {sink} }}
{source}
</script>"""


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for number, (source, sink, filter_) in zip(itertools.count(), table):
            place, parameter, read = SOURCES[source]
            body = PAGE.format(filter=FILTERS[filter_], sink=SINKS[sink], source=read)
            name = f"{'v' if vulnerable else 'f'}-{source}-{sink}-{filter_}"
            made.append(Case(name, vulnerable, lambda _, __, body=body, name=name: page(name, body), place, parameter, "news"))
    return made


# Every source and every sink once; a browser takes its time.
FEW = 12


def in_few(case):
    table = VULNERABLE if case.vulnerable else SOUND
    source, sink, filter_ = case.name.split("-")[1:]
    return table.index((source, sink, filter_)) < FEW
