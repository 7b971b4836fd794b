/** What was found: hull, energy against volume, table, and the structure that is looked at. */
import { Problem, postJson } from "./api.js";
import { button, h, notice } from "./dom.js";
import { listDownload } from "./downloads.js";
import { energyUnit, symbolsOf, whole } from "./format.js";
import { createHull } from "./hull.js";
import { KindFilter, isShown } from "./kinds.js";
import { loadModel } from "./models.js";
import { StructurePanel } from "./panel.js";
import { loadPoints, loadSystem } from "./points.js";
import { createScatter } from "./scatter.js";
import { change, go, linkTo } from "./state.js";
import { StructureTable } from "./table.js";

/** As many as an address holds. */
const MOST_CHOSEN = 50;

/** Whether the panel takes the whole window, as results.css has it. */
const isCovered = matchMedia("(max-width: 1080px)");

/**
 * @typedef {object} Scope
 * @property {Record<string, string>} filters as the service names them
 * @property {string} model
 * @property {string} chemsys empty where there are several
 * @property {string} [jobId] a job's own structures are in front
 */

export class Results {
  /**
   * @param {object} options
   * @param {() => HTMLElement} options.describeNothing what to say where there are no structures
   * @param {(errors: import("./api.js").FieldError[]) => void} [options.onRefused] told what is wrong with the filters
   */
  constructor({ describeNothing, onRefused = () => {} }) {
    this.onRefused = onRefused;
    this.controller = new AbortController();
    this.isOpen = new AbortController();
    this.figures = h("div", { class: "figures" });
    this.kinds = new KindFilter((kind) => change({ kind, structure: "" }));
    this.table = new StructureTable({ describeNothing, onSort: (sort) => change({ sort }, { replace: true }), onChoose: (ids) => this.#offer(ids) });
    this.like = h("a", { class: "button", "data-link": true, hidden: true });
    this.ask = button("", () => this.#ask(), { hidden: true });
    this.refusal = h("p", { class: "error", role: "alert", hidden: true });
    this.panel = new StructurePanel(() => change({ structure: "" }));
    const download = listDownload(() => ({ ...this.scope.filters, sort: this.shown.sort }));
    this.main = h("div", { class: "results-main" }, this.figures, h("div", { class: "list-head" }, this.kinds.element, this.like, this.ask, download), this.refusal, this.table.element);
    this.element = h("div", { class: "results" }, this.main, this.panel.element);
    this.shown = {};
    this.selected = "";
    isCovered.addEventListener("change", () => this.#shield(), { signal: this.isOpen.signal });
  }

  /**
   * Show structures; what has not changed since stays as it is.
   * @param {Scope} scope
   * @param {{kind?: string, sort?: string, structure?: string}} state
   */
  async show(scopeOfAll, { kind = "", sort = "energy", structure = "" }) {
    const { sort: sortBefore, scope: before } = this.shown;
    const scope = { ...scopeOfAll, filters: { ...scopeOfAll.filters, kind } };
    this.select(structure);
    this.kinds.show(kind);
    const key = JSON.stringify(scope);
    if (key === before && sort === sortBefore) return;
    this.shown = { scope: key, sort };
    this.scope = scope;
    this.table.show(scope.filters, sort);
    if (key !== before) await this.#drawFigures();
  }

  /** Bring the table up to date with the service, unless that would disturb who reads it. */
  refreshTable() {
    if (this.scope && this.table.isAtTop) this.table.show(this.scope.filters, this.shown.sort, { isQuiet: true });
  }

  /** Bring figures and table up to date with the service. */
  async refresh() {
    this.refreshTable();
    const { signal } = this.controller;
    try {
      await this.#fill();
    } catch (error) {
      this.#fail(signal, error);
    }
  }

  /** Show points as they are found, before the service is asked for them again. */
  showLive(points) {
    const isWanted = (point) => isShown(point.kind, this.scope.filters.kind);
    this.figures.hidden = false;
    const before = new Map(this.system?.map((point) => [point.id, point]));
    this.scatter?.show(points.filter(isWanted));
    this.hull?.show([...points.filter((point) => point.isConverged && !before.has(point.id)), ...before.values()], isWanted);
  }

  /** Look at a structure, or at none. */
  select(structure) {
    this.selected = structure;
    this.#shield();
    this.panel.show(structure);
    this.element.classList.toggle("with-panel", structure !== "");
    for (const part of [this.hull, this.opinions, this.scatter, this.table]) part?.select(structure || null);
  }

  /** Offer to learn from the structures that are chosen, and to ask another potential about them. */
  #offer(ids) {
    this.chosen = ids;
    for (const offer of [this.like, this.ask]) offer.hidden = ids.length === 0;
    this.like.href = linkTo({ view: "models", like: ids.slice(0, MOST_CHOSEN).join(",") });
    this.like.textContent = `More like these ${whole(Math.min(ids.length, MOST_CHOSEN))}`;
    this.ask.textContent = `Second opinion on ${whole(ids.length)}`;
    this.refusal.hidden = true;
  }

  async #ask() {
    this.ask.disabled = true;
    try {
      const job = await postJson("opinions", { structure_ids: this.chosen });
      go({ job: job.id });
    } catch (error) {
      this.refusal.textContent = error.message;
      this.refusal.hidden = false;
    } finally {
      this.ask.disabled = false;
    }
  }

  /** Where the panel covers all the rest, the rest is not to be reached either. */
  #shield() {
    this.main.inert = isCovered.matches && this.selected !== "";
  }

  /** Stop all of it. */
  close() {
    this.controller.abort();
    this.isOpen.abort();
    for (const part of [this.hull, this.opinions, this.scatter, this.table, this.panel]) part?.close();
  }

  async #drawFigures() {
    this.controller.abort();
    this.controller = new AbortController();
    const { signal } = this.controller;
    for (const part of [this.hull, this.opinions, this.scatter]) part?.close();
    [this.hull, this.opinions, this.scatter, this.system] = [null, null, null, null];
    this.figures.hidden = false;
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
    if (signal.aborted) return;
    if (!(error instanceof Problem) || !error.errors.length) return this.figures.replaceChildren(notice("error", "The figures could not be drawn.", error.message));
    this.figures.replaceChildren();
    this.onRefused(error.errors);
  }

  #placeFigures() {
    const { model, scope } = this;
    const onPick = (id) => change({ structure: id });
    const symbols = symbolsOf(scope.chemsys);
    const isOfCrystals = model.boundary === "crystal";
    const reason = reasonForNoHull(model, symbols);
    this.hull = reason === null ? createHull({ symbols, energyKind: model.energy_kind, ends: model.reference_energies, jobId: scope.jobId, onPick }) : null;
    this.scatter = createScatter({ energyKind: model.energy_kind, isOfCrystals, onPick });
    const title = scope.jobId ? `Hull of ${symbols.join("–")}, all jobs` : `Hull of ${symbols.join("–")}`;
    this.figures.replaceChildren(
      ...(this.hull ? [figure(title, this.hull.element)] : []),
      figure(isOfCrystals ? "Energy against volume" : "Energies in the order of the samples", this.scatter.element),
      ...(this.hull ? [] : [h("p", { class: "hint" }, reason)]),
    );
    this.hull?.select(this.selected || null);
    this.scatter.select(this.selected || null);
  }

  /** The hull that another potential makes of the same structures, beside the model's, where it was asked. */
  #showOpinions(points, isWanted) {
    const asked = points.filter(isAsked).map((point) => ({ ...point, energy: point.opinion, above: null }));
    if (!asked.length) return;
    if (!this.opinions) {
      const symbols = symbolsOf(this.scope.chemsys);
      const ends = Object.fromEntries(symbols.map((symbol) => [symbol, 0]));
      this.opinions = createHull({ symbols, energyKind: "formation", ends, jobId: this.scope.jobId, onPick: (id) => change({ structure: id }) });
      this.figures.children[0].after(figure(`Hull of ${symbols.join("–")} by CHGNet`, this.opinions.element));
      this.opinions.select(this.selected || null);
    }
    this.opinions.show(asked, isWanted);
  }

  async #fill() {
    const { signal } = this.controller;
    const { filters, chemsys, model } = this.scope;
    const [own, system] = await Promise.all([loadPoints({ ...filters, sort: "energy" }, signal), this.hull && loadSystem(chemsys, model, signal)]);
    if (signal.aborted) return;
    this.system = system?.points;
    this.scatter.show(own.points);
    const isWanted = (point) => isShown(point.kind, filters.kind);
    this.hull?.show(this.system, isWanted);
    this.#showOpinions(this.system ?? [], isWanted);
    this.figures.hidden = own.points.length + (system?.points.length ?? 0) === 0;
    this.figures.classList.toggle("partial", !own.isComplete);
    this.figures.dataset.note = own.isComplete ? "" : `The figures show the lowest ${whole(own.points.length)} structures.`;
  }
}

function isAsked(point) {
  return point.opinion !== null;
}

function figure(title, content) {
  return h("figure", {}, h("figcaption", {}, title), content);
}

/** Why there is no figure of the hull; null where there is one. */
function reasonForNoHull(model, symbols) {
  const unknown = symbols.filter((symbol) => !model.elements.includes(symbol));
  if (model.boundary !== "crystal") return "Molecules have no hull.";
  if (unknown.length) return `${model.name} does not know ${unknown.join(", ")}.`;
  if (symbols.length > 3) return `A hull of ${symbols.length} elements does not fit on paper: the column "Above hull" (${energyUnit(model.energy_kind)}) says how far each structure is from it.`;
  if (symbols.length === 1) return "The hull of one element is its lowest structure.";
  return symbols.length ? null : "Filter by a chemical system such as Li-S to see its hull.";
}
