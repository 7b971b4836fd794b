/** The form that trains a model, from files or from structures that were chosen. */
import { Problem, postJson } from "./api.js";
import { h } from "./dom.js";
import { clearError, clearErrors, errorOf, field, inputsOf, showErrors, text } from "./fields.js";
import { whole } from "./format.js";
import { go, linkTo } from "./state.js";

/** Endings of files, and what the service calls what is in them. */
const FORMATS = { cif: "cif", vasp: "poscar", poscar: "poscar", xyz: "extxyz", extxyz: "extxyz", sdf: "sdf", json: "pymatgen" };
/** What the service says is wrong, and the field that it is about. */
const PLACES = { content: "structures", structure_ids: "structures", query: "structures", model: "base" };

export class TrainForm {
  /**
   * @param {{name: string, boundary: string}[]} models to begin with
   * @param {string[]} chosen ids of structures to learn from
   */
  constructor(models, chosen) {
    this.chosen = chosen;
    this.alert = h("p", { class: "error", role: "alert", hidden: true });
    this.submit = h("button", { class: "primary" }, "Train");
    this.files = h("input", { id: "structures", name: "structures", type: "file", multiple: true, accept: Object.keys(FORMATS).map((ending) => `.${ending}`).join(), "aria-describedby": "hint-structures error-structures" });
    const bases = models.map((model) => h("option", { value: model.name }, `${model.name}, ${model.boundary}s`));
    const begin = h("select", { id: "base", name: "base", "aria-describedby": "hint-base error-base" }, h("option", { value: "" }, "New: random weights"), h("option", { value: "*", selected: chosen.length > 0 }, "Fine-tune the usual one"), bases);
    this.element = h(
      "form",
      { class: "card ask train", novalidate: true, "aria-labelledby": "train-title" },
      h("h2", { id: "train-title" }, "A model of your own"),
      this.alert,
      chosen.length ? h("p", {}, `From ${whole(chosen.length)} chosen ${chosen.length === 1 ? "structure" : "structures"}. `, h("a", { href: linkTo({ view: "models" }), "data-link": true }, "Leave them out")) : null,
      field("structures", chosen.length ? "And from files" : "Structures at rest", this.files, "CIF, POSCAR, extended XYZ, SDF or pymatgen's JSON. One is enough."),
      field("name", "Its name", text("name", { placeholder: "my-carbon", autocapitalize: "off" }), "Lower case letters, digits, - and _."),
      field("base", "Begin with", begin, "A model that knows the field needs few of your structures to know them better."),
      h("details", {}, h("summary", {}, "More"), h("div", { class: "row" }, field("epochs", "Epochs", text("epochs", { placeholder: "60", inputmode: "numeric" })), field("train_seed", "Seed", text("train_seed", { placeholder: "random", inputmode: "numeric" }))), errorOf("seed")),
      h("div", { class: "actions" }, this.submit),
    );
    this.element.addEventListener("submit", (event) => this.#send(event));
    this.element.addEventListener("input", ({ target }) => clearError(this.element, target.name));
  }

  async #send(event) {
    event.preventDefault();
    clearErrors(this.element);
    this.alert.hidden = true;
    this.submit.disabled = true;
    try {
      const job = await postJson("models", await this.#read());
      go({ job: job.id });
    } catch (error) {
      this.#show(error);
    } finally {
      this.submit.disabled = false;
    }
  }

  /** What the fields ask for, as the service takes it; what is no number is for the service to refuse. */
  async #read() {
    const { name, base, epochs, train_seed: seed } = this.element.elements;
    const number = (input) => (input.value.trim() === "" ? undefined : Number(input.value) || input.value);
    const structures = await Promise.all([...this.files.files].map(readFile));
    const begin = base.value && { recipe: "fine-tune", base: base.value === "*" ? undefined : base.value };
    return { name: name.value.trim(), structures, structure_ids: this.chosen, ...begin, epochs: number(epochs), seed: number(seed) };
  }

  #show(error) {
    const errors = (error instanceof Problem ? error.errors : []).map((each) => ({ ...each, field: PLACES[each.field] ?? each.field }));
    const shown = errors.filter(({ field: name }) => this.element.querySelector(`#error-${name}`));
    if (error instanceof Problem && error.code === "name_taken") shown.push({ field: "name", reason: error.message, hint: "" });
    showErrors(this.element, shown);
    if (shown.length) inputsOf(this.element, shown[0].field)[0]?.focus();
    this.alert.hidden = shown.length > 0;
    this.alert.textContent = error.message;
  }
}

/** A file as the service takes it; one of no known ending is taken for a CIF. */
async function readFile(file) {
  const ending = file.name.toLowerCase().split(".").at(-1);
  return { format: FORMATS[ending] ?? "cif", content: await file.text() };
}
