/** Fields with labels, hints and errors. What is wrong with a field stands in `error-NAME`, and is found by the name that the service calls it. */
import { h } from "./dom.js";

/** Where errors of a field stand. */
export function errorOf(name) {
  return h("p", { class: "error", id: `error-${name}`, hidden: true });
}

const GROUPS = { volume_: "volume_per_atom", starts_: "starts", target_: "target", periodic_: "boundary" };

/** The field of the service that an input is a part of; most are one by themselves. */
export function groupOf(name) {
  return Object.entries(GROUPS).find(([prefix]) => name.startsWith(prefix) && name !== GROUPS[prefix])?.[1] ?? name;
}

/** An input for text; those of one group share the place of their errors. */
export function text(name, properties = {}) {
  const group = groupOf(name);
  return h("input", { id: name, name, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `hint-${name} error-${group}`, ...properties });
}

/** An input with its label, hint and place for errors. */
export function field(name, label, input, hint = null) {
  const isOfGroup = groupOf(name) !== name;
  return h("div", { class: "field" }, h("label", { for: name }, label), input, h("p", { class: "hint", id: `hint-${name}`, hidden: !hint }, hint), isOfGroup ? null : errorOf(name));
}

/**
 * Show errors beside their fields.
 * @param {HTMLFormElement} form
 * @param {import("./request.js").FormError[]} errors those of other fields are passed over
 */
export function showErrors(form, errors) {
  for (const { field, reason, hint } of errors) {
    const place = form.querySelector(`#error-${field}`);
    if (!place) continue;
    place.textContent = `${reason.charAt(0).toUpperCase()}${reason.slice(1).replace(/\.$/, "")}. ${hint}`;
    place.hidden = false;
    for (const input of inputsOf(form, field)) input.setAttribute("aria-invalid", "true");
    const folded = place.closest("details");
    if (folded) folded.open = true;
  }
}

/** The inputs that an error of this name is about. */
export function inputsOf(form, name) {
  return [...form.querySelectorAll(`[aria-describedby~="error-${name}"]`)];
}

/** Take an error away. */
export function clearError(form, name) {
  const place = form.querySelector(`#error-${name}`);
  if (!place || place.hidden) return;
  place.hidden = true;
  place.textContent = "";
  for (const input of inputsOf(form, name)) input.removeAttribute("aria-invalid");
}

/** Take all errors away. */
export function clearErrors(form) {
  for (const place of form.querySelectorAll("[id^=error-]")) clearError(form, place.id.slice("error-".length));
}
