/** One structure: what it looks like, its energies, what is known of it, its files. */
import { addressOf, getJson } from "./api.js";
import { measureCell } from "./crystal.js";
import { announce, button, h, notice } from "./dom.js";
import { downloadLinks } from "./downloads.js";
import { energyUnit, formula, kindOf, number } from "./format.js";
import { badge } from "./marks.js";
import { linkTo, readState } from "./state.js";
import { Viewer } from "./viewer.js";

const STARTS = { references: "a known crystal with other elements", wyckoff: "Wyckoff positions", random: "a random cell" };

export class StructurePanel {
  /** @param {() => void} onClose */
  constructor(onClose) {
    this.onClose = onClose;
    this.element = h("aside", { class: "panel", "aria-label": "Structure", hidden: true });
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && this.onClose());
    this.id = "";
  }

  /** Show the structure of an id; none hides the panel. */
  async show(id) {
    if (id === this.id) return;
    const before = this.id;
    const isOpening = before === "";
    if (isOpening) this.opener = document.activeElement;
    this.id = id;
    this.close();
    this.element.hidden = id === "";
    if (id === "") return this.#giveFocusBack(before);
    this.element.replaceChildren(this.#head("Structure"), notice("loading", "Loading…"));
    if (isOpening) this.element.querySelector("h2").focus({ preventScroll: true });
    this.controller = new AbortController();
    const { signal } = this.controller;
    try {
      this.#draw(await getJson(`structures/${encodeURIComponent(id)}`, signal));
    } catch (error) {
      if (!signal.aborted) this.element.replaceChildren(this.#head("Structure"), notice("error", "This structure cannot be shown.", error.message));
    }
  }

  /** Stop what is on its way. */
  close() {
    this.controller?.abort();
    this.viewer?.close();
    this.viewer = null;
  }

  /** To the row of the structure, which was drawn anew since; where there is none, to what opened the panel. */
  #giveFocusBack(id) {
    const row = document.querySelector(`[data-id="${CSS.escape(id)}"]`);
    (this.opener instanceof HTMLCanvasElement ? this.opener : (row ?? this.opener))?.focus({ preventScroll: true });
  }

  #head(title) {
    return h("div", { class: "panel-head" }, h("h2", { tabindex: -1 }, title), button("✕", () => this.onClose(), { class: "quiet icon", "aria-label": "Close the structure" }));
  }

  #draw(structure) {
    const hadFocus = this.element.contains(document.activeElement);
    const kind = kindOf({ known: structure.matches.length > 0, duplicate: structure.duplicate_of });
    this.viewer = new Viewer(describe(structure));
    this.element.replaceChildren(
      this.#head(formula(structure.formula)),
      h("p", { class: "panel-sub" }, badge(kind), h("code", {}, structure.id), copyButton()),
      this.viewer.element,
      h("h3", {}, "Files"),
      downloadLinks(structure),
      factsOf(structure),
      ...matchesOf(structure),
      ...moleculeOf(structure.molecule),
    );
    this.viewer.show(structure.atoms);
    if (hadFocus) this.element.querySelector("h2").focus({ preventScroll: true });
    announce(describe(structure));
  }
}

function describe(structure) {
  const group = structure.space_group ? `, space group ${structure.space_group.symbol}` : "";
  return `${structure.formula}, ${structure.n_atoms} atoms${group}`;
}

function copyButton() {
  const copy = button("Copy link", async () => {
    await navigator.clipboard.writeText(location.href);
    announce("Copied");
    copy.textContent = "Copied";
    setTimeout(() => {
      copy.textContent = "Copy link";
    }, 2000);
  }, { class: "quiet" });
  return navigator.clipboard ? copy : null;
}

/** Rows of name and value; what has no value is left out. */
function rows(facts) {
  return h("dl", { class: "facts" }, facts.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function factsOf(structure) {
  const { space_group: group, formation_energy_per_atom: formation } = structure;
  return rows([
    ["Space group", group && `${group.symbol}, no. ${group.number}`],
    ["Formation energy", formation !== null ? `${number(formation)} eV/atom, an estimate` : null],
    ["Pseudo energy", `${number(structure.pseudo_energy_per_atom)} per atom, no unit`],
    ["Band gap", structure.band_gap !== null ? `${number(structure.band_gap, 2)} eV, an estimate` : null],
    ...opinionFacts(structure.opinion),
    ["Above hull", structure.energy_above_hull !== null ? `${number(structure.energy_above_hull)} ${energyUnit(structure.energy_kind)}` : null],
    ["Model", h("a", { href: linkTo({ view: "models", model: structure.model }), "data-link": true }, structure.model)],
    ["Volume", structure.volume_per_atom !== null ? `${number(structure.volume_per_atom, 2)} Å³/atom` : null],
    ...cellFacts(structure.atoms),
    ["Start", `${STARTS[structure.start]}${structure.start_origin ? `: ${structure.start_origin}` : ""}`],
    ["Relaxation", `${structure.n_steps} steps, ${structure.converged ? "converged" : "not converged"}`],
    ["Duplicate of", structure.duplicate_of && h("a", { href: linkTo({ ...readState(), structure: structure.duplicate_of }), "data-link": true }, structure.duplicate_of)],
    ["Job", h("a", { href: linkTo({ job: structure.job, structure: structure.id }), "data-link": true }, structure.job)],
    ["As data", h("a", { href: addressOf(structure.links.self) }, structure.links.self)],
  ]);
}

/** What another potential makes of it. */
function opinionFacts(opinion) {
  if (!opinion) return [];
  const energy = opinion.formation_energy_per_atom === null ? `${number(opinion.energy_per_atom)} eV/atom in all` : `${number(opinion.formation_energy_per_atom)} eV/atom`;
  const end = `${opinion.is_kept ? "the same structure" : "another structure"} after ${opinion.n_steps} steps${opinion.converged ? "" : ", not converged"}`;
  return [[opinion.potential, `${energy}, ${end}`]];
}

function cellFacts(atoms) {
  if (!atoms.periodic.every(Boolean)) return [["Atoms", String(atoms.numbers.length)]];
  const { lengths, angles } = measureCell(atoms.cell);
  const list = (values, digits) => values.map((value) => number(value, digits)).join(", ");
  return [
    ["Atoms", `${atoms.numbers.length} in the cell`],
    ["a, b, c", `${list(lengths, 3)} Å`],
    ["α, β, γ", `${list(angles, 1)}°`],
  ];
}

function matchesOf({ matches }) {
  if (!matches.length) return [];
  const item = (match) => h("tr", {}, h("td", {}, match.name), h("td", {}, formula(match.formula)), h("td", { class: "number" }, number(match.rms)));
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), h("th", { scope: "col" }, "Formula"), h("th", { scope: "col", class: "number" }, "rms")));
  return [h("h3", {}, "Matches known structures"), h("table", { class: "small" }, head, h("tbody", {}, matches.map(item))), h("p", { class: "hint" }, "rms in units of (volume per atom)^⅓.")];
}

function moleculeOf(molecule) {
  if (!molecule) return [];
  const failed = Object.entries(molecule.checks).filter(([, passed]) => !passed).map(([name]) => name.replaceAll("_", " "));
  return [h("h3", {}, "Molecule"), rows([["SMILES", molecule.smiles && h("code", {}, molecule.smiles)], ["Connected", molecule.is_connected ? "yes" : "no"], ["Checks", molecule.passes_checks ? "passes all" : `fails: ${failed.join(", ")}`]])];
}
