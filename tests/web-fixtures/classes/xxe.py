"""XML: a real parser, set up in several ways, and how the document comes to it."""
import io
from lxml import etree
from fixture import Case, escape, page

DOCUMENT = "<?xml version=\"1.0\"?><order><item>pear</item><count>2</count></order>"


def reader(entities=False, network=False, dtd=False, include=False):
    def read(text):
        parser = etree.XMLParser(resolve_entities=entities, no_network=not network, load_dtd=dtd, huge_tree=False)
        tree = etree.parse(io.BytesIO(text.encode()), parser)
        if include:
            tree.xinclude()
        return tree.getroot()
    return read


OPEN = {
    "entities": reader(entities=True),
    "dtd": reader(entities=True, dtd=True, network=True),
    "include": reader(include=True),
    "both": reader(entities=True, include=True),
}


def refusing(text):
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("document types are not taken")
    return reader()(text)


SOUND = {
    "closed": reader(),
    "refusing": refusing,
    "closed-dtd": reader(dtd=False, network=False),
    "dropping": lambda text: reader()(text.split("]>")[-1] if "]>" in text else text),
}


def first(root): return "Ordered: " + escape("".join(root.itertext()))
def item(root): return "Ordered: " + escape(root.findtext("item") or root.findtext(".//{*}text") or "nothing")


def cases(_):
    made = []
    for vulnerable, readers in ((True, OPEN), (False, SOUND)):
        mark = "v" if vulnerable else "f"
        for number, (name, read) in enumerate(readers.items()):
            for shown, show in (("all", first), ("item", item)):
                for place in ("xml", "form"):
                    def handle(value, _, read=read, show=show):
                        try:
                            return show(read(value))
                        except (etree.XMLSyntaxError, etree.XIncludeError, ValueError):
                            return page("Error", "That is no order.", 400)
                    made.append(Case(f"{mark}-{name}-{shown}-{place}", vulnerable, handle, place, "order", DOCUMENT))
        # A value that the application puts into a document of its own.
        for name, read in (("wrapped", reader(include=True)),) if vulnerable else (("wrapped", reader()),):
            def handle(value, _, read=read):
                try:
                    return first(read(f"<note><text>{value}</text></note>"))
                except (etree.XMLSyntaxError, etree.XIncludeError):
                    return "No."
            made.append(Case(f"{mark}-{name}-query", vulnerable, handle, "query", "note", "hello"))
            made.append(Case(f"{mark}-{name}-form", vulnerable, handle, "form", "note", "hello"))
    # The warning about what could not be loaded, and a page that repeats the document.
    def complaining(value, _):
        parser = etree.XMLParser(resolve_entities=True, load_dtd=True)
        try:
            tag = etree.parse(io.BytesIO(value.encode()), parser).getroot().tag
        except etree.XMLSyntaxError:
            tag = "nothing"
        return "Ordered: " + escape(tag) + "".join(f"<p>Warning: {escape(entry.message)}</p>" for entry in parser.error_log)
    made.append(Case("v-complaining-xml", True, complaining, "xml", "order", DOCUMENT))

    def repeating(value, _):
        try:
            reader()(value)
            return "<pre>" + escape(value) + "</pre>"
        except etree.XMLSyntaxError as error:
            return page("Error", "No such file or document: <pre>" + escape(value) + "</pre>", 400)
    made.append(Case("f-repeating-xml", False, repeating, "xml", "order", DOCUMENT))
    made.append(Case("f-repeating-query", False, lambda value, _: escape(value), "query", "note", "hello"))
    return made
