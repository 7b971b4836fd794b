/** All structures, by filters that stand in the address. */
import { button, h, notice } from "./dom.js";
import { symbolsOf } from "./format.js";
import { listModels } from "./models.js";
import { Results } from "./results.js";
import { change, go, readState } from "./state.js";

const FILTERS = ["composition", "chemsys", "elements", "model", "unique", "matched", "converged", "start", "energy_above_hull_max", "job", "smiles", "passes_checks", "hull"];
/** Each choice of what is shown, as the filters that it stands for. */
const SHOWN = { all: {}, distinct: { unique: "true" }, known: { unique: "true", matched: "true" }, new: { unique: "true", matched: "false" } };

export class ExploreView {
  constructor() {
    this.results = new Results();
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Filter structures" });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.#apply());
    this.element = h("div", { class: "explore" }, h("h1", { class: "unseen" }, "Structures"), this.form, (this.place = h("div", {}, notice("loading", "Loading…"))));
  }

  /** @param {Record<string, string>} state */
  async show(state) {
    try {
      this.models ??= await listModels();
    } catch (error) {
      this.place.replaceChildren(notice("error", "The structures could not be listed.", error.message, button("Try again", () => this.show(readState()))));
      return;
    }
    if (!this.form.childElementCount) this.#drawForm();
    this.#fillForm(state);
    const model = state.model || this.#usualModel();
    const filters = Object.fromEntries(FILTERS.filter((name) => state[name]).map((name) => [name, state[name]]));
    const chemsys = state.chemsys ? symbolsOf(state.chemsys).join("-") : state.composition ? symbolsOf(state.composition).join("-") : "";
    if (this.results.element.parentNode !== this.place) this.place.replaceChildren(this.results.element);
    await this.results.show({ filters: { ...filters, model }, model, chemsys }, state);
  }

  close() {
    this.results.close();
  }

  #usualModel() {
    const ofCrystals = this.models.filter((model) => model.boundary === "crystal");
    return (ofCrystals.find((model) => model.energy_kind === "formation") ?? ofCrystals[0] ?? this.models[0]).name;
  }

  #drawForm() {
    const option = (value, text = value) => h("option", { value }, text);
    this.what = h("input", { id: "what", name: "what", autocomplete: "off", spellcheck: "false", placeholder: "Li-S or LiS2" });
    this.model = h("select", { id: "filter-model" }, this.models.map((model) => option(model.name)));
    this.kinds = h("select", { id: "filter-kind" }, option("all", "all"), option("distinct", "without duplicates"), option("known", "known"), option("new", "new"));
    this.most = h("input", { id: "most", inputmode: "decimal", size: 5, autocomplete: "off", placeholder: "any" });
    const labelled = (text, input) => h("div", { class: "field" }, h("label", { for: input.id }, text), input);
    this.form.append(labelled("System or formula", this.what), labelled("Model", this.model), labelled("Show", this.kinds), labelled("Above hull, at most", this.most), button("Clear", () => go({ view: "structures" })));
  }

  #fillForm(state) {
    this.what.value = state.chemsys ?? state.composition ?? "";
    this.model.value = state.model || this.#usualModel();
    this.kinds.value = Object.keys(SHOWN).find((name) => ["unique", "matched"].every((key) => (SHOWN[name][key] ?? "") === (state[key] ?? ""))) ?? "all";
    this.most.value = state.energy_above_hull_max ?? "";
  }

  #apply() {
    const what = this.what.value.trim();
    const isSystem = what.includes("-");
    change({ chemsys: isSystem ? what : "", composition: isSystem ? "" : what, model: this.model.value, unique: "", matched: "", ...SHOWN[this.kinds.value], energy_above_hull_max: this.most.value.trim().replace(",", "."), structure: "" });
  }
}
