"""An application of one page: its server has one document, one script and an interface that no text names.

Each part of the interface is reached in one way alone: by a view, a click, a form, a choice, a key, a fragment. What
would end the session or take something away answers like the rest: if it is shown, it was asked for.
"""
import json
from fixture import Page

SHELL = """<!doctype html><html><head><title>Harbour office</title></head>
<body><header id="top"></header><main id="view">Loading.</main><script src="/app.js"></script></body></html>"""

APP = r"""
const at = (...parts) => "/" + ["api", ...parts].join("/");
const make = (name, fields = {}, ...inside) => {
  const element = Object.assign(document.createElement(name), fields);
  element.append(...inside);
  return element;
};
const view = document.querySelector("#view");
const show = (...parts) => view.replaceChildren(...parts);
const ask = async (path, options) => (await fetch(path, options)).json();
const post = (path, value) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });
const button = (text, press) => { const made = make("button", { type: "button" }, text); made.onclick = press; return made; };

const views = {
  "": () => {
    const search = make("input", { type: "search", placeholder: "Search" });
    search.addEventListener("keydown", (event) => { if (event.key === "Enter") ask(at("search") + "?q=" + encodeURIComponent(search.value)); });
    const size = make("select", { name: "size" }, make("option", { value: "" }, "Size"), make("option", { value: "small" }, "Small"));
    size.onchange = () => ask(at("moorings") + "?size=" + size.value);
    const weather = make("div", {}, "Weather");
    weather.addEventListener("click", () => {
      const request = new XMLHttpRequest();
      request.open("GET", at("weather") + "?port=north");
      request.setRequestHeader("X-App", "harbour");
      request.send();
    });
    show(make("h1", {}, "Harbour office"), search, size, weather,
      make("p", {}, make("a", { href: "#/" + "about" }, "About"), " ", make("a", { href: "#/" + "team" }, "Team")),
      button("Guest", async () => {
        const { token } = await post(at("session"), { role: "guest" });
        localStorage.setItem("token", token);
        await ask(at("me"), { headers: { Authorization: "Bearer " + token } });
      }),
      button("Print", () => window.open("/" + "print")),
      button("Feedback", () => {
        const form = make("form", { method: "post", action: "/" + ["feedback"].join() }, make("input", { type: "hidden", name: "from", value: "office" }),
          make("textarea", { name: "text" }), make("button", {}, "Send it"));
        show(form);
      }));
    setTimeout(() => ask(at("news")), 60);
  },
  boats: async () => {
    const boats = await ask(at("boats") + "?page=1");
    show(make("h1", {}, "Boats"), ...boats.map((boat) => make("p", {}, boat.name, button("Details", () => ask(at("boats", boat.id))),
      button("Delete", () => ask(at("deleted"), { method: "POST" })), icon(boat))), button("Add a boat", add));
  },
  crew: async () => {
    show(make("h1", {}, "Crew"), make("crew-card"));
    const photo = make("input", { type: "file", name: "photo" });
    const form = make("form", {}, photo, make("input", { name: "caption" }), make("button", {}, "Upload"));
    form.onsubmit = (event) => { event.preventDefault(); fetch(at("photo"), { method: "POST", body: new FormData(form) }); };
    view.append(form);
  },
};
const icon = (boat) => { const made = make("span", { className: "i" }, "x"); made.style.cursor = "pointer"; made.onclick = () => fetch(at("boats", boat.id, "gone"), { method: "DELETE" }); return made; };
const add = () => {
  const form = make("form", {}, make("input", { name: "name", required: true }), make("input", { name: "metres", type: "number", min: "3" }), make("button", {}, "Save"));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const answer = await post(at("boats", "new"), { name: form.elements.name.value, metres: Number(form.elements.metres.value) });
    show(make("p", {}, "Saved."), button("Certificate", () =>
      fetch(at("boats", answer.id, "certificate"), { method: "POST", body: new URLSearchParams({ language: "en", copies: "1" }) })));
  };
  show(form);
};
customElements.define("crew-card", class extends HTMLElement {
  connectedCallback() {
    const shadow = this.attachShadow({ mode: "open" });
    shadow.append(button("Roster", () => ask(at("roster"))), make("a", { href: "/" + "roster" }, "all"));
  }
});
const route = () => {
  const fragment = location.hash.replace("#/", "");
  if (fragment) { ask(at("page") + "?name=" + fragment); return show(make("h1", {}, fragment)); }
  (views[location.pathname.slice(1)] || views[""])();
};
const header = document.querySelector("#top");
for (const name of ["boats", "crew"]) {
  const link = make("a", { href: "/" + name }, name);
  link.onclick = (event) => { event.preventDefault(); history.pushState({}, "", link.href); route(); };
  header.append(link, " ");
}
header.append(button("Sign out", () => ask(at("logout"))), button("Ask again", () => ask(at("help"))));
addEventListener("popstate", route);
addEventListener("hashchange", route);
route();
"""

JSON = (("Content-Type", "application/json"),)
# A picture's name and its caption.
PHOTO = ("filename", "caption")


def shell(_):
    return Page(SHELL)


def answer(value, right=lambda request: True):
    def page(request):
        try:
            holds = right(request)
        except (ValueError, KeyError, TypeError):
            holds = False
        return Page(json.dumps(value if holds else {"error": "not so"}), 200 if holds else 400, JSON)
    return page


def body(request):
    return json.loads(request.body) if request.method == "POST" else {}


def pages():
    return {
        "/": shell, "/boats": shell, "/crew": shell, "/print": shell, "/roster": shell,
        "/app.js": lambda _: Page(APP, 200, (("Content-Type", "text/javascript"),)),
        "/feedback": answer({}, lambda r: r.method == "POST" and r.form["from"] == "office" and r.form["text"]),
        "/api/search": answer([], lambda r: r.query["q"]),
        "/api/moorings": answer([], lambda r: r.query["size"] == "small"),
        "/api/weather": answer({}, lambda r: r.query["port"] and r.headers["X-App"] == "harbour"),
        "/api/session": answer({"token": "guest-7"}, lambda r: body(r)["role"]),
        "/api/me": answer({"name": "guest"}, lambda r: r.headers["Authorization"] == "Bearer guest-7"),
        "/api/news": answer([]),
        "/api/help": answer([]),
        "/api/page": answer({}, lambda r: r.query["name"] in ("about", "team")),
        "/api/boats": answer([{"id": n, "name": f"Boat {n}"} for n in (7, 8, 9)], lambda r: r.query["page"]),
        "/api/boats/7": answer({"id": 7}),
        "/api/boats/new": answer({"id": 12}, lambda r: body(r)["name"] and body(r)["metres"] >= 3),
        "/api/boats/12/certificate": answer({}, lambda r: r.form["language"] == "en" and r.form["copies"]),
        "/api/roster": answer([]),
        "/api/photo": answer({}, lambda r: all(r.form.get(name) for name in PHOTO)),
        # What must not be asked for.
        "/api/logout": answer({}), "/api/deleted": answer({}),
        **{f"/api/boats/{n}/gone": answer({}) for n in (7, 8, 9)},
    }


REACHABLE = [
    "/boats", "/crew", "/print", "/roster", "/feedback", "/api/search", "/api/moorings", "/api/weather", "/api/session", "/api/me",
    "/api/news", "/api/help", "/api/page", "/api/boats", "/api/boats/7", "/api/boats/new", "/api/boats/12/certificate", "/api/roster",
    "/api/photo",
]


def cases(_):
    return []
