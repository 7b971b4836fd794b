/** All structures, by filters that stand in the address. */
import { announce, button, h, notice } from "./dom.js";
import { clearErrors, errorOf, showErrors } from "./fields.js";
import { symbolsOf } from "./format.js";
import { listModels } from "./models.js";
import { Results } from "./results.js";
import { change, go, linkTo, readState } from "./state.js";

/** Names of the fields, beside those of system and formula, which share one. */
const ANYWHERE = ["model", "energy_above_hull_max"];
const FOLDED = ["elements", "start", "converged", "hull", "band_gap_min", "band_gap_max", "smiles", "passes_checks", "job"];
const NUMBERS = ["energy_above_hull_max", "band_gap_min", "band_gap_max"];
const FILTERS = ["composition", "chemsys", ...ANYWHERE, ...FOLDED];
const CHOICES = {
  start: { references: "a known crystal", wyckoff: "Wyckoff positions", random: "a random cell" },
  converged: { true: "yes", false: "no" },
  hull: { true: "on it", false: "above it" },
  passes_checks: { true: "all passed", false: "some failed" },
};

export class ExploreView {
  constructor() {
    this.results = new Results({ describeNothing: () => this.#describeNothing(), onRefused: (errors) => this.#showRefusal(errors) });
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Filter structures", novalidate: true });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#apply();
    });
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
    const chemsys = symbolsOf(state.chemsys || state.composition || "").join("-");
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
    const text = (name, label, properties, errors = [name]) => field(name, label, h("input", { autocomplete: "off", spellcheck: "false", ...properties, ...describedBy(name, errors) }), errors);
    const choice = (name, label, options) => field(name, label, h("select", describedBy(name, [name]), Object.entries(options).map(([value, words]) => h("option", { value }, words))), [name]);
    const any = (name, label) => choice(name, label, { "": "any", ...CHOICES[name] });
    this.form.append(
      h(
        "div",
        { class: "filter-row" },
        text("what", "System or formula", { placeholder: "Li-S or LiS2" }, ["chemsys", "composition"]),
        choice("model", "Model", Object.fromEntries(this.models.map((model) => [model.name, model.name]))),
        text("energy_above_hull_max", "Above hull, at most", { inputmode: "decimal", placeholder: "any" }),
        button("Clear", () => go({ view: "structures" })),
      ),
      (this.folded = h(
        "details",
        {},
        h("summary", {}, "More filters"),
        h(
          "div",
          { class: "filter-row" },
          text("elements", "With the elements", { placeholder: "Li,S" }),
          any("start", "Started from"),
          any("converged", "Converged"),
          any("hull", "Hull"),
          text("band_gap_min", "Band gap, eV, from", { inputmode: "decimal", placeholder: "any" }),
          text("band_gap_max", "to", { inputmode: "decimal", placeholder: "any" }),
          text("smiles", "SMILES", { placeholder: "CCO" }),
          any("passes_checks", "Checks of a molecule"),
          text("job", "Job", { placeholder: "id" }),
        ),
      )),
    );
  }

  #fillForm(state) {
    clearErrors(this.form);
    const values = { ...state, what: state.chemsys || state.composition, model: state.model || this.#usualModel() };
    for (const input of this.form.querySelectorAll("input, select")) input.value = values[input.name] ?? "";
    if (FOLDED.some((name) => state[name])) this.folded.open = true;
  }

  #apply() {
    const { what, ...values } = Object.fromEntries(Array.from(new FormData(this.form), ([name, value]) => [name, String(value).trim()]));
    const isSystem = what.includes("-");
    const numbers = Object.fromEntries(NUMBERS.map((name) => [name, values[name].replace(",", ".")]));
    change({ ...values, ...numbers, chemsys: isSystem ? what : "", composition: isSystem ? "" : what, structure: "" });
  }

  #showRefusal(errors) {
    showErrors(this.form, errors);
    announce(errors.map((error) => error.reason).join(". "));
  }

  #describeNothing() {
    const state = readState();
    if (["kind", ...FILTERS].some((name) => name !== "model" && state[name])) return notice("empty", "Nothing passes these filters.", "", button("Clear filters", () => go({ view: "structures", model: state.model })));
    return notice("empty", `No structures of ${state.model || this.#usualModel()} yet.`, "They come with the first job that it works on.", h("a", { class: "button", href: linkTo({}), "data-link": true }, "Ask for some"));
  }
}

function describedBy(name, errors) {
  return { id: `filter-${name}`, name, "aria-describedby": errors.map((error) => `error-${error}`).join(" ") };
}

function field(name, label, input, errors) {
  return h("div", { class: "field" }, h("label", { for: `filter-${name}` }, label), input, errors.map(errorOf));
}
