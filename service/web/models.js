/** The models: what each knows, learned from, and how well. */
import { getJson, send } from "./api.js";
import { save } from "./downloads.js";
import { SYMBOLS, placeOf } from "./elements.js";
import { button, h, notice } from "./dom.js";
import { energyName, number } from "./format.js";
import { go, linkTo } from "./state.js";
import { TrainForm } from "./train.js";

let listed = null;
const details = new Map();

/** All models; asked for once. */
export function listModels() {
  listed ??= getJson("models").then((answer) => answer.items);
  listed.catch(() => {
    listed = null;
  });
  return listed;
}

/** Ask again: there is another model, or one less. */
export function forgetModels() {
  listed = null;
  details.clear();
}

/** A model with its end members; asked for once. */
export function loadModel(name) {
  if (!details.has(name)) {
    details.set(name, getJson(`models/${encodeURIComponent(name)}`));
    details.get(name).catch(() => details.delete(name));
  }
  return details.get(name);
}

/** The view of the models. */
export class ModelsView {
  constructor() {
    this.element = h("div", { class: "models" });
  }

  /** @param {Record<string, string>} state */
  async show({ model, like = "" }) {
    if (!this.element.childElementCount) this.element.replaceChildren(h("h1", {}, "Models"), notice("loading", "Loading…"));
    try {
      const models = await listModels();
      const shown = models.find((item) => item.name === model) ?? models[0];
      const chosen = like.split(",").filter(Boolean);
      const described = describe(await loadModel(shown.name), (note) => this.#delete(shown.name, note));
      const train = new TrainForm(models, chosen).element;
      this.element.replaceChildren(h("h1", {}, "Models"), this.#list(models, shown), h("div", { class: "model-parts" }, ...(chosen.length ? [train, described] : [described, train])));
    } catch (error) {
      this.element.replaceChildren(h("h1", {}, "Models"), notice("error", "The models could not be listed.", error.message, button("Try again", () => this.show({ model }))));
    }
  }

  close() {}

  async #delete(name, note) {
    if (!confirm(`Delete the model ${name}? Structures that it made stay.`)) return;
    try {
      await send(`models/${encodeURIComponent(name)}`, { method: "DELETE" });
      forgetModels();
      go({ view: "models" });
    } catch (error) {
      note.textContent = error.message;
    }
  }

  #list(models, shown) {
    const link = (item) => h("a", { href: linkTo({ view: "models", model: item.name }), "data-link": true, "aria-current": item === shown ? "page" : null }, h("strong", {}, item.name), h("span", {}, `${item.boundary}s of ${item.elements.length === 1 ? item.elements[0] : `${item.elements.length} elements`}`));
    return h("nav", { class: "model-list", "aria-label": "Models" }, models.map(link));
  }
}

function describe(model, onDelete) {
  const note = h("p", { class: "error", role: "alert" });
  const facts = [
    ["Makes", `${model.boundary}s`],
    ["Ranks by", energyName(model.energy_kind)],
    ["Learned from", model.data],
    ["Force error", model.scores.validation_force_rmse ?? model.scores.force_rmse, "pseudo units, root mean square"],
    ["Fingerprint", model.fingerprint ?? "its weights are missing"],
  ];
  return h(
    "section",
    { class: "card model" },
    h("h2", {}, model.name),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value !== undefined && value !== "").map(([name, value, unit]) => h("div", {}, h("dt", {}, name), h("dd", {}, typeof value === "number" ? `${number(value)} ${unit}` : value)))),
    h("h3", {}, model.elements.length === 1 ? "The element that it knows" : `The ${model.elements.length} elements that it knows`),
    drawElements(model),
    h("div", { class: "actions" }, h("a", { class: "button", href: linkTo({ model: model.name }), "data-link": true }, "Find structures with it"), button("Download", () => save(model.links.file.slice(1), note, `${model.name}.safetensors`)), model.own ? button("Delete", () => onDelete(note), { class: "danger" }) : null),
    note,
  );
}

/** The periodic table; elements that the model does not know are drawn back. */
function drawElements({ elements }) {
  const known = new Set(elements);
  const cells = SYMBOLS.map((symbol, k) => {
    const isKnown = known.has(symbol);
    const cell = h("li", { class: isKnown ? "known" : "unknown" }, h("small", { "aria-hidden": "true" }, k + 1), symbol, isKnown ? null : h("span", { class: "unseen" }, " not known"));
    const { row, column } = placeOf(k + 1);
    Object.assign(cell.style, { gridRow: row, gridColumn: column });
    return cell;
  });
  return h("ol", { class: "elements", tabindex: 0, "aria-label": "Elements" }, cells);
}
