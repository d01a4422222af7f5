"""SQL: statements of several forms, three databases, and what the page shows of the answer."""
from fixture import Case, escape, page

# Name, statement, the value that is usual, and how a sound application makes it.
CONTEXTS = {
    "string": ("SELECT name, price FROM items WHERE name = '{}'", "apple", "?"),
    "number": ("SELECT name, price FROM items WHERE id = {}", "2", "int"),
    "like": ("SELECT name, price FROM items WHERE name LIKE '%{}%'", "pp", "like"),
    "order": ("SELECT name, price FROM items ORDER BY {}", "name", "list"),
    "function": ("SELECT name, price FROM items WHERE lower(name) = lower('{}')", "apple", "?"),
    "brackets": ("SELECT name, price FROM items WHERE (kind = 'fruit' AND (name = '{}' OR id = 0))", "plum", "?"),
    "in": ("SELECT name, price FROM items WHERE id IN (0, {})", "3", "int"),
    "insert": ("INSERT INTO notes VALUES ('{}')", "hello", "?"),
    "login": ("SELECT name, id FROM users WHERE name = '{}' AND password = 'unknown'", "vedette", "?"),
}
DOUBLE = ("SELECT name, price FROM items WHERE name = \"{}\"", "apple", "?")
PLACES = ("query", "form", "json", "cookie", "header", "path")

# Context, what is shown, database.
VULNERABLE = [
    (context, shown, database)
    for database in ("sqlite", "postgres", "mariadb")
    for context, shown in (
        ("string", "rows"), ("number", "found"), ("like", "rows"), ("order", "errors"), ("function", "found"),
        ("brackets", "found"), ("in", "rows"), ("insert", "errors"), ("login", "found"),
    )
] + [("string", "nothing", "postgres"), ("number", "nothing", "mariadb"), ("insert", "nothing", "mariadb"),
     ("order", "nothing", "postgres"), ("double", "rows", "mariadb"), ("order", "rows", "sqlite")]


def show(what, rows, error):
    if what == "nothing":
        return "Thank you."
    if error is not None:
        return page("Error", escape(f"{type(error).__name__}: {error}"), 500) if what == "errors" else "Nothing found."
    if what == "rows":
        return "<ul>" + "".join(f"<li>{escape(str(name))}: {price}</li>" for name, price in rows) + "</ul>" or "None"
    if what == "errors":
        return f"Done, {len(rows)} rows."
    return "It is here." if rows else "It is not here."


def handler(backends, database, context, shown, fix):
    statement, usual, how = DOUBLE if context == "double" else CONTEXTS[context]

    def handle(value, _):
        rows, error = [], None
        try:
            if fix is None:
                rows = backends.query(database, statement.format(value))
            elif fix == "escape":
                rows = backends.query(database, statement.format(value.replace("\\", "\\\\").replace("'", "''")
                                      if database == "mariadb" else value.replace("'", "''")).replace("%", "%"))
            elif how == "int":
                rows = backends.query(database, statement.format(int(value)))
            elif how == "list":
                rows = backends.query(database, statement.format({"name": "name", "price": "price"}.get(value, "id")))
            elif how == "like":
                rows = backends.query(database, statement.replace("'%{}%'", "?"), (f"%{value}%",))
            else:
                bound = statement.replace("'{}'", "?").replace('"{}"', "?")
                rows = backends.query(database, bound, (value,))
        except Exception as caught:
            error = caught
            backends.local.__dict__.clear()
        return show(shown, rows, error)

    return handle, usual


def cases(backends):
    for database in ("sqlite", "postgres", "mariadb"):
        backends.start(database)
    made = []
    for vulnerable in (True, False):
        for number, (context, shown, database) in enumerate(VULNERABLE):
            fix = None if vulnerable else ("escape" if context in ("string", "insert") and database == "sqlite" else "bind")
            handle, usual = handler(backends, database, context, shown, fix)
            place = PLACES[number % len(PLACES)]
            if shown == "nothing" and place == "header" or place == "path" and not usual.isdigit():
                place = "query"
            name = f"{'v' if vulnerable else 'f'}-{database}-{context}-{shown}-{place}"
            parameter = {"header": "Referer", "path": "2", "cookie": f"pref{number}{int(vulnerable)}"}.get(place, "q")
            made.append(Case(name, vulnerable, handle, place, parameter, usual))
    # A database that complains about a value, not about syntax: shown, and sound.
    for database in ("postgres",):
        def handle(value, _, database=database):
            try:
                rows = backends.query(database, "SELECT name, price FROM items WHERE id = CAST(? AS INTEGER)", (value,))
            except Exception as error:
                backends.local.__dict__.clear()
                return page("Error", escape(str(error)), 500)
            return show("rows", rows, None)
        made.append(Case(f"f-{database}-cast-error", False, handle, "query", "id", "2"))
    # The words of an error on a page that explains it.
    made.append(Case("f-manual", False, lambda value, _: "You have an error in your SQL syntax: see " + escape(value), value="x"))
    # A page that refuses quotes, with an error of its own.
    made.append(Case("f-refuses-quotes", False, lambda value, _: page("Bad", "Incorrect syntax near input", 400)
                     if any(c in value for c in "'\"()") else "Fine: " + escape(value), value="x"))
    # Input that changes the answer, word by word.
    made.append(Case("f-search", False, lambda value, _: "Found " + str(sum(word in "apple pear plum and or" for word in value.split())), value="apple"))
    return made


def in_few(case):
    """Every form in one database, and of the others what only they have."""
    return "sqlite" in case.name or case.name.startswith("f-") or case.name.split("-", 1)[1] in (
        "postgres-string-nothing-query", "mariadb-double-rows-query", "mariadb-number-found-form", "postgres-like-rows-json")
