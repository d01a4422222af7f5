"""Content security policies: which directives, in which field, in how many policies."""
from fixture import Case, Page

FIELD = "Content-Security-Policy"


def fields(*policies): return lambda: ([(FIELD, policy) for policy in policies], "")
def meta(policy): return lambda: ([], f'<meta http-equiv="content-security-policy" content="{policy}">')
def both(policy, in_page): return lambda: ([(FIELD, policy)], meta(in_page)()[1])
def report_only(policy): return lambda: ([(FIELD + "-Report-Only", policy)], "")


VULNERABLE = {
    "inline": fields("default-src 'self'; script-src 'self' 'unsafe-inline'"),
    "inline-by-default": fields("default-src 'self' 'unsafe-inline'; img-src *"),
    "any-host": fields("script-src *; object-src 'none'"),
    "any-https": fields("script-src 'self' https:; object-src 'none'"),
    "any-http": fields("script-src 'self' http:; object-src 'none'"),
    "data": fields("script-src 'self' data:; object-src 'none'"),
    "no-scripts": fields("frame-ancestors 'self'; img-src 'self'"),
    "no-base": fields("script-src 'nonce-c3VyZQ'; object-src 'none'"),
    "strict-no-base": fields("script-src 'strict-dynamic' 'nonce-cGVhcg' https:; object-src 'none'"),
    "second-ignored": fields("script-src 'unsafe-inline'; script-src 'self'"),
    "capitals": fields("Script-Src 'Unsafe-Inline' https://cdn.example"),
    "both-weak": fields("script-src 'unsafe-inline'; img-src 'self'", "script-src *; img-src 'self'"),
    "list": fields("script-src * 'self', script-src https: 'self'"),
    "in-page": meta("script-src 'unsafe-inline' 'self'"),
    "in-page-none": meta("img-src 'self'; style-src 'self'"),
    "field-and-page": both("script-src 'self' 'unsafe-inline' https://a.example", "script-src * https://a.example"),
}
SOUND = {
    "own": fields("default-src 'self'"),
    "nothing": fields("default-src 'none'; img-src 'self'"),
    "listed": fields("script-src https://cdn.example; object-src 'none'"),
    "nonce": fields("script-src 'nonce-YXBwbGU'; base-uri 'none'"),
    "nonce-for-old": fields("script-src 'nonce-cGx1bQ' 'unsafe-inline'; base-uri 'self'"),
    "hash": fields("script-src 'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc=' 'unsafe-inline'"),
    "strict": fields("script-src 'strict-dynamic' 'nonce-bGVlaw' https: 'unsafe-inline'; base-uri 'none'"),
    "scripts-apart": fields("default-src * 'unsafe-inline'; script-src 'self'"),
    "first-counts": fields("script-src 'self'; script-src *"),
    "one-holds": fields("script-src 'unsafe-inline'", "script-src 'self'"),
    "list-holds": fields("script-src *, default-src 'none'"),
    "page-holds": both("script-src 'unsafe-inline' https://b.example", "script-src 'self'"),
    "report": report_only("script-src 'unsafe-inline'"),
    "none-at-all": lambda: ([], ""),
    "styles": fields("default-src 'self'; style-src 'unsafe-inline' *"),
    "in-page": meta("default-src 'self'"),
}


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for name, policy in table.items():
            def handle(_, request, policy=policy):
                headers, head = policy()
                text = f"<!doctype html><html><head>{head}<title>Shop</title></head><body><p>Pears, plums.</p></body></html>"
                return Page(text, 200, (("Content-Type", "text/html; charset=utf-8"), *headers))
            made.append(Case(f"{'v' if vulnerable else 'f'}-{name}", vulnerable, handle, "header", FIELD, "", (("q", "1"),)))
    return made
