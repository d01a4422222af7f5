// Before the page's own scripts: it is to be as it is for somebody who is connected, and to show what listens to clicks.
(() => {
  "use strict";
  Object.defineProperty(Navigator.prototype, "onLine", { get: () => true, configurable: true });
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (name, ...rest) {
    if (name === "click" && this instanceof Element && this !== document.documentElement && this !== document.body)
      this.setAttribute("data-vedette-pressed", "");
    return Reflect.apply(add, this, [name, ...rest]);
  };
})();
