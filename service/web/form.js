/** The form that asks for structures. Its fields are called as the service calls them, so that errors find theirs. */
import { Problem, postJson } from "./api.js";
import { h } from "./dom.js";
import { clearError, clearErrors, errorOf, field, groupOf, inputsOf, showErrors, text } from "./fields.js";
import { symbolsOf } from "./format.js";
import { listModels } from "./models.js";
import { readForm } from "./request.js";
import { go } from "./state.js";

const EXAMPLES = ["LiS2", "Li-S", "KZnF3", "C"];
/** How many structures the service makes of a formula, and of a chemical system, unless told. */
const [FEW, MANY] = ["30", "200"];

export class AskForm {
  /** @param {Record<string, any>} [values] of the fields to begin with */
  constructor(values = {}) {
    this.alert = h("p", { class: "error", role: "alert", hidden: true });
    this.modelHint = h("p", { class: "hint", id: "hint-model" });
    this.submit = h("button", { class: "primary" }, "Find structures");
    this.element = h("form", { class: "card ask", novalidate: true, "aria-labelledby": "ask-title" }, this.#fields());
    for (const [name, value] of Object.entries(values)) if (this.element.elements[name]) this.element.elements[name].value = value;
    this.element.addEventListener("submit", (event) => this.#send(event));
    this.element.addEventListener("input", (event) => this.#edit(event));
    this.#listModels(values.model);
    this.#adaptToBoundary();
    this.#adaptToComposition();
  }

  #fields() {
    return [
      h("h1", { id: "ask-title" }, "Which structures?"),
      this.alert,
      field("composition", "Formula or chemical system", text("composition", { placeholder: "LiS2", autofocus: true, autocapitalize: "off" }), ["Try ", ...EXAMPLES.flatMap((example) => [this.#example(example), " "])]),
      h("div", { class: "row" }, field("n", "How many", text("n", { placeholder: FEW, inputmode: "numeric" })), field("formula_units", "Formula units", text("formula_units", { placeholder: "several" }), "A number, or a range such as 1-4.")),
      choice("boundary", "Boundary", { crystal: "Crystal", molecule: "Molecule", partly: "Partly periodic" }),
      this.axes = h("fieldset", { class: "inline", hidden: true }, h("legend", {}, "Periodic along"), ["a", "b", "c"].map((axis) => tick(`periodic_${axis}`, axis, axis !== "c"))),
      h("div", { class: "field" }, h("label", { for: "model" }, "Model"), this.model = h("select", { id: "model", name: "model", "aria-describedby": "hint-model error-model" }, h("option", { value: "" }, "The usual one")), this.modelHint, errorOf("model")),
      this.advanced = h("details", {}, h("summary", {}, "More"), this.#advancedFields()),
      h("div", { class: "actions" }, this.submit),
    ];
  }

  #advancedFields() {
    const small = (name, label, hint, properties) => field(name, label, text(name, { inputmode: "decimal", ...properties }), hint);
    return [
      h("div", { class: "row" }, small("seed", "Seed", "The same seed gives the same structures.", { placeholder: "random", inputmode: "numeric" }), small("min_distance", "Least distance, Å", "Between atoms of a start.", { placeholder: "by radii" })),
      field("separations", "Least distances of pairs, Å", text("separations", { placeholder: "Li-S 2.0, S-S 3.0", autocapitalize: "off" }), "Other pairs keep the one above."),
      h("div", { class: "row" }, small("volume_low", "Volume, from", null, { placeholder: "model's own" }), small("volume_high", "to", "Å³ per atom.", { placeholder: "model's own" }), small("density", "or density", "g/cm³", { placeholder: "model's own" })),
      errorOf("volume_per_atom"),
      tick("fixed_volume", "Keep the volume", false),
      errorOf("fixed_volume"),
      small("pressure", "Pressure", "Pseudo units per Å³, up to 0.3; for crystals whose cell is free.", { placeholder: "0" }),
      field("cell", "Starting cell, Å", h("textarea", { id: "cell", name: "cell", rows: 3, spellcheck: "false", placeholder: "4 0 0\n0 4 0\n0 0 4", "aria-describedby": "hint-cell error-cell" }), "A vector on each line."),
      tick("fixed_cell", "Keep the cell as it is", false),
      field("layer", "Layer, Å", text("layer", { placeholder: "whole cell" }), "Two heights between which atoms start, such as 6 9; for what is partly periodic."),
      field("seed_structure", "Seed structure", h("textarea", { id: "seed_structure", name: "seed_structure", rows: 3, spellcheck: "false", placeholder: '{"numbers": [6, 6], "positions": …', "aria-describedby": "hint-seed_structure error-seed_structure" }), "A substrate, say, to which the atoms of the formula are added: the atoms of a structure as JSON. It sets cell and boundary."),
      tick("relax_seed", "Let it relax as well", false),
      errorOf("relax_seed"),
      h("fieldset", { class: "row" }, h("legend", {}, "Starts, in which shares"), small("starts_references", "Known crystals", null, { placeholder: "usual" }), small("starts_wyckoff", "Wyckoff", null, { placeholder: "usual" }), small("starts_random", "Random", null, { placeholder: "usual" })),
      errorOf("starts"),
      field("space_groups", "Space groups", text("space_groups", { placeholder: "any, and none kept", autocapitalize: "off" }), "Such as 225, Pnma, cubic, or auto for all. The structures keep their symmetry."),
      small("swaps", "Exchanges of atoms", "So often two elements change places after the relaxation, and it is done again. Finds which is where.", { placeholder: "0", inputmode: "numeric" }),
      small("hops", "Hops", "So often each relaxed structure is shaken and relaxes again. Finds the lowest minima.", { placeholder: "0", inputmode: "numeric" }),
      small("generations", "Generations", "So many children has each relaxed structure, with another one or by mutation.", { placeholder: "0", inputmode: "numeric" }),
      small("annealing", "Annealing", "Steps of dynamics in which each start cools down before it relaxes.", { placeholder: "0", inputmode: "numeric" }),
      h("fieldset", { class: "row" }, h("legend", {}, "Aim at"), field("target_band_gap", "Band gap", text("target_band_gap", { placeholder: "any" }), "eV, such as 1-2."), field("target_formation_energy", "Formation energy", text("target_formation_energy", { placeholder: "any" }), "eV/atom, such as -2 to -1.")),
      errorOf("target"),
      select("optimizer", "Relaxed by", { "": "FIRE", lbfgs: "L-BFGS" }, "L-BFGS needs fewer steps."),
      h("div", { class: "row" }, small("fmax", "Converged below", "Largest force, pseudo units.", { placeholder: "0.01" }), small("max_steps", "Most steps", null, { placeholder: "2000", inputmode: "numeric" })),
      tick("match", "Compare with known structures", true),
    ];
  }

  #example(formula) {
    return h("button", { type: "button", class: "example", onclick: () => this.#take(formula) }, formula);
  }

  #take(formula) {
    this.element.elements.composition.value = formula;
    this.#adaptToComposition();
    this.submit.focus();
  }

  async #listModels(chosen = "") {
    try {
      this.models = await listModels();
    } catch {
      return; // the banner says that the service is away; it takes its usual model without us
    }
    this.model.append(...this.models.map((model) => h("option", { value: model.name, selected: model.name === chosen }, `${model.name}, ${model.boundary}s`)));
    this.#showModelHint();
  }

  #edit({ target }) {
    clearError(this.element, groupOf(target.name));
    if (target.name === "boundary") this.#adaptToBoundary();
    this.#adaptToComposition();
  }

  #adaptToComposition() {
    const { composition, n } = this.element.elements;
    n.placeholder = composition.value.includes("-") ? MANY : FEW;
    this.#showModelHint();
  }

  #adaptToBoundary() {
    const isPartly = this.element.elements.boundary.value === "partly";
    this.axes.hidden = !isPartly;
    if (isPartly) this.advanced.open = true;
  }

  /** Whether the model knows the elements, while they are written. */
  #showModelHint() {
    const model = this.models?.find((item) => item.name === this.model.value);
    const missing = model ? symbolsOf(this.element.elements.composition.value).filter((symbol) => !model.elements.includes(symbol)) : [];
    this.modelHint.classList.toggle("warning", missing.length > 0);
    const knows = model && (model.elements.length > 6 ? `${model.elements.length} elements` : model.elements.join(", "));
    this.modelHint.textContent = missing.length ? `${model.name} does not know ${missing.join(", ")}.` : model ? `Knows ${knows}.` : "For crystals or for molecules, as the boundary says.";
  }

  async #send(event) {
    event.preventDefault();
    clearErrors(this.element);
    this.alert.hidden = true;
    const { request, errors } = readForm(this.element);
    if (errors.length) return this.#showErrors(errors);
    this.submit.disabled = true;
    try {
      const job = await postJson("generate", request);
      go({ job: job.id });
    } catch (error) {
      const ofFields = error instanceof Problem ? error.errors.filter(({ field }) => document.getElementById(`error-${field}`)) : [];
      if (ofFields.length) this.#showErrors(ofFields);
      else this.#showAlert(error.message);
    } finally {
      this.submit.disabled = false;
    }
  }

  #showAlert(message) {
    this.alert.textContent = message;
    this.alert.hidden = false;
  }

  #showErrors(errors) {
    showErrors(this.element, errors);
    inputsOf(this.element, errors[0].field)[0]?.focus();
  }
}

function select(name, label, options, hint) {
  const option = ([value, words]) => h("option", { value }, words);
  return field(name, label, h("select", { id: name, name, "aria-describedby": `hint-${name} error-${name}` }, Object.entries(options).map(option)), hint);
}

function choice(name, label, options) {
  const option = ([value, words], k) => h("label", {}, h("input", { type: "radio", name, value, checked: k === 0, "aria-describedby": `error-${name}` }), h("span", {}, words));
  return h("fieldset", { class: "choice" }, h("legend", {}, label), h("div", { class: "segments" }, Object.entries(options).map(option)), errorOf(name));
}

function tick(name, label, isOn) {
  return h("label", { class: "tick" }, h("input", { type: "checkbox", name, checked: isOn }), label);
}
