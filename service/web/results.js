/** What was found: hull, energy against volume, table, and the structure that is looked at. */
import { h, notice } from "./dom.js";
import { energyUnit, symbolsOf, whole } from "./format.js";
import { createHull, isDrawable } from "./hull.js";
import { legend } from "./marks.js";
import { loadModel } from "./models.js";
import { StructurePanel } from "./panel.js";
import { loadPoints, loadSystem } from "./points.js";
import { createScatter } from "./scatter.js";
import { change } from "./state.js";
import { StructureTable } from "./table.js";

/**
 * @typedef {object} Scope
 * @property {Record<string, string>} filters as the service names them
 * @property {string} model
 * @property {string} chemsys empty where there are several
 * @property {string} [jobId] a job's own structures are in front
 */

export class Results {
  /** @param {(count: number) => void} [onPoints] told how many there are */
  constructor(onPoints = () => {}) {
    this.onPoints = onPoints;
    this.controller = new AbortController();
    this.figures = h("div", { class: "figures" });
    this.table = new StructureTable({ onSort: (sort) => change({ sort }, { replace: true }) });
    this.panel = new StructurePanel(() => change({ structure: "" }));
    this.main = h("div", { class: "results-main" }, this.figures, legend(), this.table.element);
    this.element = h("div", { class: "results" }, this.main, this.panel.element);
    this.shown = {};
  }

  /**
   * Show structures; what has not changed since stays as it is.
   * @param {Scope} scope
   * @param {{sort?: string, structure?: string}} state
   */
  async show(scope, { sort = "energy", structure = "" }) {
    const { sort: sortBefore, scope: before } = this.shown;
    this.select(structure);
    const key = JSON.stringify(scope);
    if (key === before && sort === sortBefore) return;
    this.shown = { scope: key, sort };
    this.scope = scope;
    this.table.show(scope.filters, sort);
    if (key !== before) await this.#drawFigures();
  }

  /** Bring figures and table up to date with the service. */
  async refresh() {
    if (this.table.isAtTop) this.table.show(this.scope.filters, this.shown.sort, { isQuiet: true });
    const { signal } = this.controller;
    try {
      await this.#fill();
    } catch (error) {
      this.#fail(signal, error);
    }
  }

  /** Show points that are on their way into the service, before it is asked again. */
  showLive(points) {
    this.scatter?.show(points);
  }

  /** Look at a structure, or at none. */
  select(structure) {
    this.panel.show(structure);
    this.element.classList.toggle("with-panel", structure !== "");
    for (const part of [this.hull, this.scatter, this.table]) part?.select(structure || null);
    this.selected = structure;
  }

  /** Stop all of it. */
  close() {
    this.controller.abort();
    for (const part of [this.hull, this.scatter, this.table, this.panel]) part?.close();
  }

  async #drawFigures() {
    this.controller.abort();
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.hull?.close();
    this.scatter?.close();
    [this.hull, this.scatter] = [null, null];
    this.figures.replaceChildren(figure("Hull", notice("loading", "Loading…")), figure("Energy against volume", notice("loading", "Loading…")));
    try {
      this.model = await loadModel(this.scope.model);
      if (signal.aborted) return;
      this.#placeFigures();
      await this.#fill();
    } catch (error) {
      this.#fail(signal, error);
    }
  }

  /** Say so, unless nobody waits for it any more. */
  #fail(signal, error) {
    if (!signal.aborted) this.figures.replaceChildren(notice("error", "The figures could not be drawn.", error.message));
  }

  #placeFigures() {
    const { model, scope } = this;
    const onPick = (id) => change({ structure: id });
    const symbols = symbolsOf(scope.chemsys);
    const isOfCrystals = model.boundary === "crystal";
    this.hull = isOfCrystals && isDrawable(symbols) ? createHull({ symbols, energyKind: model.energy_kind, ends: model.reference_energies, jobId: scope.jobId, onPick }) : null;
    this.scatter = isOfCrystals ? createScatter({ energyKind: model.energy_kind, onPick }) : null;
    const title = scope.jobId ? `Hull of ${symbols.join("–")}, all jobs` : `Hull of ${symbols.join("–")}`;
    this.figures.replaceChildren(
      ...(this.hull ? [figure(title, this.hull.element)] : []),
      ...(this.scatter ? [figure("Energy against volume", this.scatter.element)] : []),
      ...(this.hull ? [] : [h("p", { class: "hint" }, reasonForNoHull(isOfCrystals, symbols, energyUnit(model.energy_kind)))]),
    );
    this.hull?.select(this.selected || null);
    this.scatter?.select(this.selected || null);
  }

  async #fill() {
    const { signal } = this.controller;
    const { filters, chemsys, model } = this.scope;
    const [own, system] = await Promise.all([loadPoints({ ...filters, sort: "energy" }, signal), this.hull && loadSystem(chemsys, model, signal)]);
    if (signal.aborted) return;
    this.scatter?.show(own.points);
    this.hull?.show(system.points);
    this.figures.classList.toggle("partial", !own.isComplete);
    this.figures.dataset.note = own.isComplete ? "" : `The figures show the lowest ${whole(own.points.length)} structures.`;
    this.onPoints(own.points.length);
  }
}

function figure(title, content) {
  return h("figure", {}, h("figcaption", {}, title), content);
}

function reasonForNoHull(isOfCrystals, symbols, unit) {
  if (!isOfCrystals) return "Molecules have no hull.";
  if (symbols.length > 3) return `A hull of ${symbols.length} elements does not fit on paper: the column "Above hull" (${unit}) says how far each structure is from it.`;
  return symbols.length === 1 ? `The hull of one element is its lowest structure.` : "Filter by a chemical system such as Li-S to see its hull.";
}
