/** Structures in a table: pages of the service as far as it is scrolled, of which only the rows in view are drawn. */
import { Problem, getJson, query } from "./api.js";
import { announce, button, h, notice } from "./dom.js";
import { ago, formula, kindOf, number, whole } from "./format.js";
import { badge } from "./marks.js";
import { linkTo, readState } from "./state.js";

const ROW = 34;
const BEYOND = 12;
const PAGE = 200;

/** Columns: title, what the service sorts by, what stands in the cell. */
const COLUMNS = [
  { title: "Formula", cell: (row) => linkOf(row) },
  { title: "Kind", cell: (row) => badge(kindOf({ known: row.matches.length, duplicate: row.duplicate_of })) },
  { title: "Energy", sort: "energy", cell: (row) => number(row.formation_energy_per_atom ?? row.pseudo_energy_per_atom), is: "number" },
  { title: "Above hull", sort: "energy_above_hull", cell: (row) => number(row.energy_above_hull), is: "number" },
  { title: "Space group", cell: (row) => (row.space_group ? `${row.space_group.symbol} (${row.space_group.number})` : "–") },
  { title: "Known as", cell: (row) => (row.matches.length ? `${row.matches[0].name}, rms ${number(row.matches[0].rms)}` : "–"), is: "wide" },
  { title: "Volume", cell: (row) => number(row.volume_per_atom, 2), is: "number wide" },
  { title: "Band gap", cell: (row) => number(row.band_gap, 2), is: "number wide" },
  { title: "CHGNet", cell: (row) => number(row.opinion?.formation_energy_per_atom), is: "number wide" },
  { title: "Atoms", cell: (row) => String(row.n_atoms), is: "number wide" },
  { title: "Start", cell: (row) => row.start, is: "wide widest" },
  { title: "Found", sort: "created", cell: (row) => ago(row.created_at), is: "wide widest" },
];

export class StructureTable {
  /**
   * @param {object} options
   * @param {() => HTMLElement} options.describeNothing what to say where there are no structures
   * @param {(sort: string) => void} options.onSort
   * @param {(ids: string[]) => void} options.onChoose told which rows are ticked
   */
  constructor({ describeNothing, onSort, onChoose }) {
    this.onChoose = onChoose;
    this.chosen = new Set();
    this.describeNothing = describeNothing;
    this.onSort = onSort;
    this.rows = [];
    this.failure = null;
    this.head = h("thead");
    this.body = h("tbody");
    this.table = h("table", { class: "structures" }, h("caption", { class: "unseen" }, "Structures"), this.head, this.body);
    this.scroller = h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Structures, in a table" }, this.table);
    this.status = h("div", { class: "count" });
    this.element = h("section", { class: "table-part" }, this.scroller, this.status);
    this.scroller.addEventListener("scroll", () => this.#schedule(), { passive: true });
    this.body.addEventListener("keydown", (event) => this.#step(event));
    this.observer = new ResizeObserver(() => this.#schedule());
    this.observer.observe(this.scroller);
  }

  /** Show the structures that pass filters, from the first page on. */
  async show(filters, sort, { isQuiet = false } = {}) {
    this.controller?.abort();
    this.controller = new AbortController();
    this.filters = filters;
    this.sort = sort;
    if (!isQuiet) {
      this.chosen.clear();
      this.onChoose([]);
      this.#drawHead();
      this.#replace([], `structures?${query({ ...filters, sort, limit: PAGE })}`);
    }
    await this.#loadNext(isQuiet);
  }

  /** Mark the row of a structure. */
  select(id) {
    this.selected = id;
    this.drawn = "";
    this.#schedule();
  }

  /** Let go of what is on its way. */
  close() {
    this.controller?.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Whether the reader is at the beginning, where a newer page disturbs nobody. */
  get isAtTop() {
    return this.scroller.scrollTop < ROW && !this.body.contains(document.activeElement);
  }

  #replace(rows, next) {
    this.rows = rows;
    this.next = next;
    this.failure = null;
    this.drawn = "";
    this.scroller.scrollTop = 0;
    this.#draw();
  }

  async #loadNext(isFromStart = false) {
    const path = isFromStart ? `structures?${query({ ...this.filters, sort: this.sort, limit: PAGE })}` : this.next;
    if (!path || (this.loading === path && !isFromStart)) return;
    const { signal } = this.controller;
    this.loading = path;
    this.failure = null;
    this.status.textContent = "Loading…";
    try {
      const page = await getJson(path, signal);
      if (signal.aborted) return;
      this.rows = isFromStart ? page.items : this.rows.concat(page.items);
      this.next = page.next;
      this.drawn = "";
      this.#tell();
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
      return;
    } finally {
      if (this.loading === path) this.loading = null;
    }
    this.#draw();
  }

  #tell() {
    const text = this.rows.length ? `${whole(this.rows.length)} ${this.rows.length === 1 ? "structure" : "structures"}${this.next ? ", more as you scroll" : ""}` : "";
    this.status.textContent = text;
    if (this.rows.length <= PAGE) announce(text || "No structures");
  }

  /** Beneath the rows, or where there are none, in their place. */
  #fail(error) {
    const isRefused = error instanceof Problem && error.errors.length > 0;
    const again = button("Try again", () => this.#loadNext());
    const failure = notice("error", isRefused ? "These filters are refused." : "The list did not come.", error.message, ...(isRefused ? [] : [again]));
    this.status.replaceChildren(...(this.rows.length ? [failure] : []));
    this.failure = failure;
    this.drawn = "";
    this.#draw();
  }

  #drawHead() {
    this.head.replaceChildren(h("tr", {}, h("th", { scope: "col", class: "choose" }, h("span", { class: "unseen" }, "Chosen")), COLUMNS.map((column) => this.#headCell(column))));
  }

  #headCell({ title, sort, is }) {
    if (!sort) return h("th", { scope: "col", class: is }, title);
    const order = { [sort]: "ascending", [`-${sort}`]: "descending" }[this.sort];
    const other = order === "ascending" ? `-${sort}` : sort;
    const arrow = order ? h("span", { "aria-hidden": "true" }, order === "ascending" ? " ↑" : " ↓") : "";
    return h("th", { scope: "col", class: is, "aria-sort": order ?? "none" }, h("button", { type: "button", class: "sort", onclick: () => this.onSort(other) }, title, arrow));
  }

  #schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#draw();
    });
  }

  /** Draw the rows in view; rows above and below are two heights. */
  #draw() {
    if (!this.filters) return;
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - BEYOND);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + BEYOND);
    if (this.next && !this.failure && last >= this.rows.length - BEYOND) this.#loadNext();
    const window = `${first}-${last}`;
    if (window === this.drawn) return;
    this.drawn = window;
    this.element.classList.toggle("empty", !this.rows.length && (this.failure !== null || !this.next));
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    this.table.setAttribute("aria-rowcount", String(this.next ? -1 : this.rows.length + 1));
    this.body.replaceChildren(...this.#content(first, last));
    if (focused) this.body.querySelector(`[data-id="${focused}"]`)?.focus({ preventScroll: true });
  }

  #content(first, last) {
    if (this.element.classList.contains("empty")) return [h("tr", {}, h("td", { colspan: COLUMNS.length + 1, class: "nothing" }, this.failure ?? this.describeNothing()))];
    if (!this.rows.length) return Array.from({ length: 8 }, () => h("tr", { class: "waiting", "aria-hidden": "true" }, h("td", { class: "choose" }), COLUMNS.map(({ is }) => h("td", { class: is }, h("span", {}, "\u00a0")))));
    const rows = this.rows.slice(first, last).map((row, k) => this.#row(row, first + k));
    return [space(first), ...rows, space(this.rows.length - last)];
  }

  #row(row, index) {
    const isSelected = row.id === this.selected;
    return h("tr", { "aria-rowindex": index + 2, class: isSelected ? "selected" : null }, h("td", { class: "choose" }, this.#tick(row)), COLUMNS.map(({ cell, is }) => h("td", { class: is }, cell(row))));
  }

  #tick(row) {
    const onchange = ({ target }) => {
      this.chosen[target.checked ? "add" : "delete"](row.id);
      this.onChoose([...this.chosen]);
    };
    return h("input", { type: "checkbox", "aria-label": `Choose ${row.formula}, ${row.id.split("-").at(-1)}`, checked: this.chosen.has(row.id), onchange });
  }

  /** Up and down from row to row. */
  #step(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const link = step && event.target.closest("tr")?.[step]?.querySelector("a");
    if (!link) return;
    event.preventDefault();
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }
}

function linkOf(row) {
  const link = h("a", { href: linkTo({ ...readState(), structure: row.id }), "data-link": true, "data-id": row.id }, formula(row.formula));
  return link;
}

function space(n) {
  const row = h("tr", { "aria-hidden": "true", class: "space" }, h("td", { colspan: COLUMNS.length + 1 }));
  row.firstChild.style.height = `${n * ROW}px`;
  return row;
}
