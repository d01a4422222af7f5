"""LDAP: a real directory, filters of several forms, and what is shown of the answer."""
import re
from fixture import Case, escape, page

FILTERS = {
    "user": ("(uid={})", "ann"),
    "person": ("(&(objectClass=person)(uid={}))", "bert"),
    "either": ("(|(uid={})(sn={}))", "carla"),
    "not": ("(&(uid={})(!(description=none)))", "dora"),
    "contains": ("(cn=*{}*)", "arla"),
    "begins": ("(mail={}*)", "dora"),
    "login": ("(&(uid={})(description=sales))", "vedette"),
}


def chars(v): return "".join(f"\\{ord(c):02x}" if c in "\\*()\0" else c for c in v)
def words(v): return re.sub(r"[^A-Za-z0-9]", "", v)


SHOWN = ("rows", "found", "errors")
PLACES = ("query", "form", "json")


def cases(backends):
    backends.start("ldap")
    made = []
    for vulnerable in (True, False):
        for number, (kind, (template, usual)) in enumerate(FILTERS.items()):
            for shown in SHOWN:
                if kind == "login" and shown == "errors":
                    continue
                fix = None if vulnerable else (chars, words)[number % 2]

                def handle(value, _, template=template, shown=shown, fix=fix):
                    import ldap
                    given = fix(value) if fix else value
                    try:
                        people = backends.people(template.replace("{}", given))
                    except ldap.LDAPError as error:
                        if shown == "errors":
                            return page("Error", escape(repr(error)), 500)
                        return "Nobody."
                    if shown == "rows":
                        return "<ul>" + "".join(f"<li>{escape(p['cn'][0].decode())}</li>" for p in people if "cn" in p) + "</ul>"
                    return "Welcome." if people else "Nobody."
                place = PLACES[(number + SHOWN.index(shown)) % 3]
                made.append(Case(f"{'v' if vulnerable else 'f'}-{kind}-{shown}-{place}", vulnerable, handle, place, "name", usual))
    # A search with patterns of its own.
    names = ["ann", "bert", "carla", "dora"]
    made.append(Case("f-patterns", False, lambda value, _: "<ul>" + "".join(
        f"<li>{n}</li>" for n in names if re.fullmatch(".*".join(map(re.escape, value.split("*"))), n)) + "</ul>", value="ann"))
    made.append(Case("f-list", False, lambda value, _: "Found." if value in names else "Nobody.", value="ann"))
    return made
