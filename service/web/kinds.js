/** Known, new, duplicate: the legend of the figures, and the filter of all that is shown. */
import { h } from "./dom.js";
import { KINDS } from "./format.js";

const CHOICES = { "": "All", distinct: "Distinct", ...KINDS };

/** Whether a filter lets a kind of structure through, as the service has it. */
export function isShown(kind, filter) {
  return !filter || filter === kind || (filter === "distinct" && kind !== "duplicate");
}

export class KindFilter {
  /** @param {(filter: string) => void} onChoose */
  constructor(onChoose) {
    const option = ([value, text]) => h("label", {}, h("input", { type: "radio", name: "kind", value, onchange: () => onChoose(value) }), h("span", { class: value in KINDS ? `badge ${value}` : null }, text));
    this.element = h("fieldset", { class: "segments kinds" }, h("legend", { class: "unseen" }, "Show"), Object.entries(CHOICES).map(option));
  }

  /** Show which filter there is. */
  show(filter) {
    for (const input of this.element.querySelectorAll("input")) input.checked = input.value === filter;
  }
}
