/** The address bar holds the state of the page, so that a link shows the same. */

/** Tells "change": the address is another one. */
export const address = new EventTarget();

/** @returns {Record<string, string>} */
export function readState() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** The address of a state; what is empty is left out. */
export function linkTo(state) {
  const set = Object.entries(state).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(set).toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "./";
}

/** Go to a state; with `replace`, so that "back" passes over the one before. */
export function go(state, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", new URL(linkTo(state), document.baseURI));
  address.dispatchEvent(new Event("change"));
}

/** Change parts of the state. */
export function change(parts, options) {
  go({ ...readState(), ...parts }, options);
}

/** Follow links of the page without loading it anew, and the buttons of the browser. */
export function installLinks() {
  addEventListener("popstate", () => address.dispatchEvent(new Event("change")));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-link]") : null;
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(Object.fromEntries(new URL(link.href).searchParams));
  });
}
