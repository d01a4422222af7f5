// Runs in a world of its own beside the page's scripts: both see one document, neither sees the other's objects.
(() => {
  "use strict";
  const TEXT = 1 << 20, ELEMENTS = 20000, BUTTONS = 300;
  let last = null;

  // The elements, those in open shadow trees as well.
  const every = (selector) => {
    const found = [], trees = [document];
    let seen = 0;
    for (let tree; (tree = trees.pop()) && seen < ELEMENTS; ) {
      for (const element of tree.querySelectorAll("*")) {
        if (++seen > ELEMENTS) break;
        if (element.shadowRoot) trees.push(element.shadowRoot);
        if (selector(element)) found.push(element);
      }
    }
    return found;
  };

  const isShown = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";

  const isField = (element) =>
    ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName) && !["hidden", "submit", "button", "reset", "image"].includes(element.type);

  // What a person would fill in, by the type, then by the name.
  const wanted = (field) => {
    const byType = { email: "vedette@vedette.example", number: field.min || "1", range: field.min || "1", url: "http://vedette.example/",
      tel: "5550100", date: "2026-01-01", time: "12:00", "datetime-local": "2026-01-01T12:00", month: "2026-01", week: "2026-W01",
      color: "#336699", password: "Vedette-1a" };
    const name = (field.name || field.id || field.placeholder || "").toLowerCase();
    const has = (...parts) => parts.some((part) => name.includes(part));
    if (byType[field.type]) return byType[field.type];
    if (has("mail")) return "vedette@vedette.example";
    if (name === "id" || has("_id", "count", "amount", "qty", "age", "year", "num", "page")) return "1";
    if (has("url", "link")) return "http://vedette.example/";
    return "vedette";
  };

  const tell = (element, ...names) => names.forEach((name) => element.dispatchEvent(new Event(name, { bubbles: true })));

  const fill = () => {
    for (const field of every((element) => isField(element) && isShown(element) && !element.disabled && !element.readOnly)) {
      if (field.tagName === "SELECT") {
        const option = [...field.options].find((option) => option.value);
        if (!field.value && option) {
          field.value = option.value;
          tell(field, "input", "change");
        }
      } else if (field.type === "checkbox" || field.type === "radio") {
        if (field.required && !field.checked) field.click();
      } else if (field.type === "file") {
        if (!field.files.length) {
          const files = new DataTransfer();
          files.items.add(new File(["vedette"], "vedette.txt", { type: "text/plain" }));
          field.files = files.files;
          tell(field, "input", "change");
        }
      } else if (!field.value) {
        field.value = wanted(field);
        tell(field, "input", "change");
      }
    }
  };

  const leads = (element) => {
    const to = element.getAttribute("href");
    return to && !to.startsWith("#") && !/^\s*javascript:/i.test(to);
  };

  const isButton = (element) => {
    const name = element.tagName;
    if (element.disabled || name === "HTML" || name === "BODY" || name === "OPTION") return false;
    if (name === "A" || name === "AREA") return !leads(element) && !/^#[!/]/.test(element.getAttribute("href") || "");
    if (name === "BUTTON" || name === "SUMMARY") return true;
    if (name === "INPUT") return ["submit", "button", "image"].includes(element.type) || (!element.form && ["text", "search"].includes(element.type));
    if (name === "FORM") return !element.querySelector("button:not([type=button]):not([type=reset]), input[type=submit], input[type=image]");
    if (element.closest("a, button, summary")) return false;
    if (element.hasAttribute("onclick") || element.hasAttribute("data-vedette-pressed")) return true;
    if (["button", "tab", "menuitem", "link", "option", "switch"].includes(element.getAttribute("role"))) return true;
    const points = (element) => getComputedStyle(element).cursor === "pointer";
    return points(element) && !(element.parentElement && points(element.parentElement)) && name !== "LABEL";
  };

  const label = (element) => {
    // What is filled into a field says nothing of what it is.
    const said = element.tagName === "FORM" || (isField(element) && element.tagName === "INPUT") ? "" : (element.innerText || element.value || "").trim().slice(0, 80);
    const called = ["aria-label", "title", "alt", "placeholder", "id", "name", "class"].map((name) => element.getAttribute(name) || "").join(" ");
    return (said + " " + called).slice(0, 300);
  };

  const buttons = () => {
    const count = new Map();
    return every((element) => isButton(element) && isShown(element)).slice(0, BUTTONS).map((element) => {
      const way = [];
      for (let at = element; at && way.length < 4; at = at.parentElement) way.push(at.tagName + (at.id ? "#" + at.id : ""));
      const kind = (way.join("<") + "|" + label(element)).replace(/\d+/g, "0");
      const number = count.get(kind) || 0;
      count.set(kind, number + 1);
      return { element, kind, key: kind + "|" + number, label: label(element) };
    });
  };

  // Until nothing has changed for so many milliseconds, or this many have gone by.
  const rest = (quiet, most) => new Promise((done) => {
    let timer, watch;
    const end = () => { watch.disconnect(); clearTimeout(timer); clearTimeout(limit); done(); };
    const limit = setTimeout(end, most);
    watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(end, quiet); });
    watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    timer = setTimeout(end, quiet);
  });

  const see = (found) => {
    const trees = every((element) => element.shadowRoot).map((element) => element.shadowRoot.innerHTML);
    const whole = [document.documentElement ? document.documentElement.outerHTML : "", ...trees].join("\n").slice(0, TEXT);
    // What a form sends is learned by pressing its button.
    const text = whole.replace(/<(\/?)form(?=[\s>\/])/gi, "<$1vedette-form");
    const isNew = text !== last;
    last = text;
    const here = location.href.split("#")[0];
    const views = every((element) => element.tagName === "A" && /^#[!/]/.test(element.hash || "") && element.href.split("#")[0] === here);
    return { found, url: location.href, text: isNew ? text : null, views: views.map((link) => link.href).slice(0, 200),
      buttons: buttons().map(({ kind, key, label }) => ({ kind, key, label })) };
  };

  // What a visitor might do where one of these words stands.
  const provoke = (words) => {
    const has = (text) => words.some((word) => text.includes(word));
    for (const element of every((element) => element.attributes.length)) {
      for (const { name, value } of [...element.attributes]) {
        if (!has(value)) continue;
        if (/^on/i.test(name)) element.dispatchEvent(new Event(name.slice(2).toLowerCase(), { bubbles: true, cancelable: true }));
        else if (/^[\0- ]*j[\t\n\r]*a[\t\n\r]*v[\t\n\r]*a/i.test(value)) element.click();
      }
    }
  };

  globalThis.vedette = {
    provoke: async (words, quiet, most) => { await rest(quiet, most); provoke(words); await rest(quiet, most); return see(true); },
    look: async (quiet, most) => { await rest(quiet, most); return see(true); },
    press: async (key, quiet, most) => {
      fill();
      const button = buttons().find((button) => button.key === key);
      if (!button) return see(false);
      const element = button.element;
      if (element.tagName === "FORM") {
        element.requestSubmit();
      } else if (element.tagName === "INPUT" && ["text", "search"].includes(element.type)) {
        for (const name of ["keydown", "keypress", "keyup"])
          element.dispatchEvent(new KeyboardEvent(name, { key: "Enter", code: "Enter", keyCode: 13, which: 13, bubbles: true, cancelable: true }));
      } else {
        element.click();
      }
      await rest(quiet, most);
      return see(true);
    },
  };
})();
