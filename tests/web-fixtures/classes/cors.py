"""Sharing across origins: which origins are judged to be ours, and what is said to a browser then."""
import json
import re
from fixture import Case, Page

PARTNER = "https://partner.example"


def judged(allowed):
    """Says who may read with credentials, if that origin may."""
    def answer(origin, request):
        host = request.headers["Host"].split(":")[0]
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"} if origin and allowed(origin, host) else {}
    answer.__name__ = allowed.__name__
    return answer


def host_of(origin): return re.sub(r"^https?://", "", origin).split(":")[0]


@judged
def any_origin(origin, _): return True
@judged
def not_plain(origin, _): return origin.startswith("https://") or origin.startswith("http://")
@judged
def null_too(origin, host): return origin == "null" or host_of(origin) == host
@judged
def null_alone(origin, _): return origin == "null"
@judged
def begins(origin, host): return origin.startswith("http://" + host)
@judged
def ends(origin, host): return host_of(origin).endswith(host)
@judged
def holds(origin, host): return host in origin
@judged
def dots(origin, host): return re.match(rf"https?://{host}(:\d+)?$", origin) is not None
@judged
def open_end(origin, host): return re.match(rf"https?://{re.escape(host)}", origin) is not None


@judged
def exact(origin, host): return host_of(origin) in (host, "partner.example") and origin != "null"
@judged
def subdomains(origin, host): return host_of(origin) == host or host_of(origin).endswith("." + host)
@judged
def escaped(origin, host): return re.fullmatch(rf"https?://{re.escape(host)}(:\d+)?", origin) is not None
@judged
def partner_alone(origin, _): return origin == PARTNER


def all_in_public(*_): return {"Access-Control-Allow-Origin": "*"}
def all_refused_by_browsers(*_): return {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"}
def without_credentials(origin, _): return {"Access-Control-Allow-Origin": origin or "*", "Vary": "Origin"}
def credentials_false(origin, _): return {"Access-Control-Allow-Origin": origin or "*", "Access-Control-Allow-Credentials": "false"}
def always_the_partner(*_): return {"Access-Control-Allow-Origin": PARTNER, "Access-Control-Allow-Credentials": "true"}
def twice(origin, _): return {"Access-Control-Allow-Origin": f"{PARTNER}, {origin}", "Access-Control-Allow-Credentials": "true"}
def null_in_public(origin, _): return {"Access-Control-Allow-Origin": "null" if origin == "null" else PARTNER, "Vary": "Origin"}
def nothing(*_): return {}
def told_elsewhere(origin, _): return {"X-Origin": origin or "none", "Access-Control-Allow-Credentials": "true"}


def document(): return json.dumps({"name": "vedette", "orders": [7, 9]}), "application/json"
def html(): return "<html><body><p>Your orders: 7, 9</p></body></html>", "text/html; charset=utf-8"


VULNERABLE = [(any_origin, document), (any_origin, html), (not_plain, document), (not_plain, html)] + [
    (answer, document) for answer in (null_too, null_alone, begins, ends, holds, dots, open_end)
] + [(any_origin, document, 401), (begins, document, 401), (null_alone, document, 403), (ends, document, 403)]
SOUND = [(answer, document) for answer in (
    exact, subdomains, escaped, partner_alone, all_in_public, all_refused_by_browsers, without_credentials, credentials_false,
    always_the_partner, twice, null_in_public, nothing, told_elsewhere,
)] + [(exact, html), (without_credentials, html), (subdomains, document, 401), (nothing, html)]


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for answer, body, *status in table:
            def handle(origin, request, answer=answer, body=body, status=status):
                text, media = body()
                return Page(text, *(status or [200]), (("Content-Type", media), *answer(origin, request).items()))
            shape = "".join(map(str, status))
            name = f"{'v' if vulnerable else 'f'}-{answer.__name__.replace('_', '')}-{body.__name__}{shape}"
            made.append(Case(name, vulnerable, handle, "header", "Origin", "", (("q", "1"),)))
    return made
