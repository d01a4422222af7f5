"""XPath: lxml, expressions of several forms, and what is shown of the answer."""
import re
from lxml import etree
from fixture import Case, escape, page

TREE = etree.fromstring(
    "<shop>" + "".join(f"<item id='{i}'><name>{n}</name><kind>{k}</kind></item>" for i, n, k in (
        (1, "pear", "fruit"), (2, "apple", "fruit"), (3, "leek", "vegetable"), (4, "beet", "vegetable"))) + "</shop>"
)
EXPRESSIONS = {
    "equal": ("//item[name='{}']/name/text()", "apple"),
    "double": ('//item[name="{}"]/name/text()', "leek"),
    "and": ("//item[kind='fruit' and name='{}']/name/text()", "pear"),
    "attribute": ("//item[@id='{}']/name/text()", "2"),
    "number": ("//item[@id={}]/name/text()", "3"),
    "contains": ("//item[contains(name, '{}')]/name/text()", "ee"),
    "login": ("//item[name='{}' and kind='none']/name/text()", "vedette"),
}
SHOWN = ("rows", "found", "errors")
PLACES = ("query", "form", "json")


def evaluate(template, value, fix):
    if fix is None:
        return TREE.xpath(template.replace("{}", value))
    if fix == "words":
        return TREE.xpath(template.replace("{}", re.sub(r"[^A-Za-z0-9]", "", value) or "0"))
    bound = template.replace("'{}'", "$v").replace('"{}"', "$v").replace("{}", "$v")
    return TREE.xpath(bound, v=value)


def cases(_):
    made = []
    for vulnerable in (True, False):
        for number, (kind, (template, usual)) in enumerate(EXPRESSIONS.items()):
            for shown in SHOWN:
                if kind == "login" and shown == "errors":
                    continue
                fix = None if vulnerable else ("bind", "words")[number % 2]

                def handle(value, _, template=template, shown=shown, fix=fix):
                    try:
                        rows = evaluate(template, value, fix)
                    except (etree.XPathError, ValueError) as error:
                        if shown == "errors":
                            return page("Error", escape(f"{type(error).__name__}: {error}"), 500)
                        return "Nothing."
                    if shown == "rows":
                        return "<ul>" + "".join(f"<li>{escape(row)}</li>" for row in rows) + "</ul>"
                    return "It is here." if rows else "Nothing."
                place = PLACES[(number + SHOWN.index(shown)) % 3]
                made.append(Case(f"{'v' if vulnerable else 'f'}-{kind}-{shown}-{place}", vulnerable, handle, place, "name", usual))
    made.append(Case("f-manual", False, lambda value, _: "lxml raises XPathEvalError: Invalid expression. " + escape(value), value="x"))
    made.append(Case("f-list", False, lambda value, _: "It is here." if value in ("pear", "apple") else "Nothing.", value="pear"))
    return made
