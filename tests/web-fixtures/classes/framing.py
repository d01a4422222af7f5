"""Frames: what a page says about who may show it in one, and whether it has a form."""
from fixture import Case, Page

OPTIONS, POLICY = "X-Frame-Options", "Content-Security-Policy"
POSTED = '<form method="post" action="/nowhere"><input name="amount" value="3"><button>Pay</button></form>'
ASKED = '<form action="/nowhere"><input name="words"><button>Find</button></form>'

# The field that the fault is in, the fields, the form.
VULNERABLE = {
    "nothing": (OPTIONS, []),
    "other-fields": (OPTIONS, [("X-Content-Type-Options", "nosniff")]),
    "allow-from": (OPTIONS, [(OPTIONS, "ALLOW-FROM https://partner.example")]),
    "allow-all": (OPTIONS, [(OPTIONS, "ALLOWALL")]),
    "misspelled": (OPTIONS, [(OPTIONS, "SAME-ORIGIN")]),
    "semicolon": (OPTIONS, [(OPTIONS, "DENY;")]),
    "empty": (OPTIONS, [(OPTIONS, "")]),
    "unknown-twice": (OPTIONS, [(OPTIONS, "ALLOW-FROM https://a.example"), (OPTIONS, "none")]),
    "policy-without": (OPTIONS, [(POLICY, "default-src 'self'")]),
    "report-only": (OPTIONS, [(POLICY + "-Report-Only", "frame-ancestors 'none'")]),
    "everybody": (POLICY, [(POLICY, "frame-ancestors *")]),
    "every-https": (POLICY, [(POLICY, "frame-ancestors https:")]),
    "self-and-all": (POLICY, [(POLICY, "frame-ancestors 'self' *")]),
    "policy-wins": (POLICY, [(OPTIONS, "DENY"), (POLICY, "frame-ancestors *")]),
    "two-open": (POLICY, [(POLICY, "frame-ancestors *"), (POLICY, "frame-ancestors http: https:")]),
}
SOUND = {
    "deny": ([(OPTIONS, "DENY")], POSTED),
    "deny-small": ([(OPTIONS, "deny")], POSTED),
    "same-origin": ([(OPTIONS, "SAMEORIGIN")], POSTED),
    "same-origin-blanks": ([(OPTIONS, " SameOrigin ")], POSTED),
    "twice": ([(OPTIONS, "SAMEORIGIN"), (OPTIONS, "DENY")], POSTED),
    "contradiction": ([(OPTIONS, "ALLOWALL, DENY")], POSTED),
    "none": ([(POLICY, "frame-ancestors 'none'")], POSTED),
    "self": ([(POLICY, "default-src 'self'; frame-ancestors 'self'")], POSTED),
    "listed": ([(POLICY, "frame-ancestors https://partner.example")], POSTED),
    "below": ([(POLICY, "frame-ancestors https://*.partner.example")], POSTED),
    "no-sources": ([(POLICY, "frame-ancestors")], POSTED),
    "two-policies": ([(POLICY, "frame-ancestors *"), (POLICY, "frame-ancestors 'self'")], POSTED),
    "policy-over-options": ([(OPTIONS, "ALLOWALL"), (POLICY, "frame-ancestors 'self'")], POSTED),
    "no-form": ([], "<p>Pears, plums.</p>"),
    "search-alone": ([], ASKED),
}


def cases(_):
    made = []
    table = [(True, name, field, headers, POSTED) for name, (field, headers) in VULNERABLE.items()]
    table += [(False, name, OPTIONS, headers, body) for name, (headers, body) in SOUND.items()]
    for vulnerable, name, field, headers, body in table:
        def handle(_, request, headers=headers, body=body):
            text = f"<!doctype html><html><head><title>Shop</title></head><body>{body}</body></html>"
            return Page(text, 200, (("Content-Type", "text/html; charset=utf-8"), *headers))
        made.append(Case(f"{'v' if vulnerable else 'f'}-{name}", vulnerable, handle, "header", field, "", (("q", "1"),)))
    return made
