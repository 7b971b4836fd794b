/** Elements without markup in strings: nothing that the service says is ever read as HTML. */

/**
 * An element. Properties that begin with "on" are listeners, "class", "aria-..." and the like attributes.
 * @param {string} tag
 * @param {Record<string, any>} [properties] null, undefined and false are left out
 * @param {...(Node|string|number|null|undefined|Array<any>)} children
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Say something to who listens to the page rather than sees it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/**
 * What is shown where there is nothing, or nothing yet, or something failed.
 * @param {"empty"|"loading"|"error"} kind
 * @param {string} title
 * @param {string} [detail]
 * @param {...Node} actions
 */
export function notice(kind, title, detail = "", ...actions) {
  const role = kind === "error" ? "alert" : "status";
  return h("div", { class: `notice ${kind}`, role }, h("strong", {}, title), detail && h("p", {}, detail), ...actions);
}

/** A button. */
export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, text);
}
