"""Cookies: what they are called, and what they are set with. Inside TLS, since one attribute counts there alone."""
from fixture import Case, page

TLS = True
ALL = "Secure; HttpOnly; SameSite=Lax"

VULNERABLE = {
    "not-secure": ("PHPSESSID", "HttpOnly; SameSite=Lax"),
    "not-secure-strict": ("sessionid", "HttpOnly; SameSite=Strict"),
    "for-scripts": ("JSESSIONID", "Secure; SameSite=Lax"),
    "for-scripts-strict": ("auth", "Secure; SameSite=Strict"),
    "cross-site": ("connect.sid", "Secure; HttpOnly; SameSite=None"),
    "unsaid": ("session", "Secure; HttpOnly"),
    "misspelled": ("access_token", "Secure; HttpOnly; SameSite=Laxx"),
    "bare": ("laravel_session", ""),
    "bare-with-age": ("remember_me", "Max-Age=86400"),
    "capitals": ("SESSION", "SECURE; httponly; samesite=NONE"),
    "comment": ("sid", "Comment=HttpOnly; Secure; SameSite=Lax"),
    "domain": ("auth_session", "Domain=127.0.0.1; Secure"),
    "forged-cross-site": ("csrftoken", "Secure; SameSite=None"),
    "forged-not-secure": ("XSRF-TOKEN", "SameSite=Strict"),
    "jwt": ("jwt", "HttpOnly; Secure; SameSite"),
}
SOUND = {
    "all": ("PHPSESSID", ALL),
    "strict": ("sessionid", "Secure; HttpOnly; SameSite=Strict"),
    "small": ("JSESSIONID", "secure; httponly; samesite=lax"),
    "blanks": ("connect.sid", "Secure ;HttpOnly;  SameSite = Lax "),
    "with-age": ("remember_me", "Max-Age=86400; " + ALL),
    "prefixed": ("__Host-session", ALL),
    "forged": ("csrftoken", "Secure; SameSite=Lax"),
    "forged-strict": ("XSRF-TOKEN", "Secure; SameSite=Strict"),
    "language": ("lang", ""),
    "theme": ("theme", "SameSite=None"),
    "consent": ("consent", "Max-Age=31536000"),
    "cart": ("cart_items", "Secure"),
    "removed": ("session", "Max-Age=0"),
    "removed-by-date": ("auth", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
    "token": ("access_token", ALL),
}


def cases(_):
    made = []
    for vulnerable, table in ((True, VULNERABLE), (False, SOUND)):
        for name, (cookie, attributes) in table.items():
            name = f"{'v' if vulnerable else 'f'}-{name}"
            field = "; ".join(part for part in (f"{cookie}=7f3a9c51d2e8b604", f"Path=/{name}", attributes) if part)

            def handle(_, request, field=field):
                return page("Shop", "Pears, plums.", headers=(("Set-Cookie", field),))
            made.append(Case(name, vulnerable, handle, "header", cookie, "", (("q", "1"),)))
    return made
