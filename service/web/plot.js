/** Thousands of marks on a canvas: drawn once, found under the pointer by a grid, walked through by keyboard. */
import { appearance, readColours } from "./appearance.js";
import { announce, h } from "./dom.js";
import { drawMark } from "./marks.js";

/**
 * @typedef {{id: string, x: number, y: number, kind: import("./format.js").Kind, isFaint?: boolean}} Mark
 * @typedef {{width: number, height: number}} Size
 * @typedef {{place: (mark: Mark) => [number, number], draw: (context: CanvasRenderingContext2D, colours: Record<string, string>) => void}} Frame
 */

const REACH = 14;
const ORDER = { duplicate: 0, known: 1, new: 2 };

export class Plot {
  /**
   * @param {object} options
   * @param {string} options.label what the figure shows, for who does not see it
   * @param {(size: Size) => Frame} options.layOut
   * @param {(mark: Mark) => string} options.describe
   * @param {(id: string) => void} options.onPick
   */
  constructor({ label, layOut, describe, onPick }) {
    this.options = { layOut, describe, onPick };
    /** @type {Mark[]} */
    this.marks = [];
    this.places = [];
    this.selected = null;
    this.hovered = -1;
    this.isDirty = true;
    this.base = document.createElement("canvas");
    this.canvas = /** @type {HTMLCanvasElement} */ (
      h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "figure", "aria-label": `${label}. Arrow keys walk through the points, Enter shows one.` })
    );
    this.tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.nothing = h("p", { class: "nothing" }, "No points");
    this.element = h("div", { class: "plot" }, this.canvas, this.tip, this.nothing);
    this.#listen();
  }

  /** Show these marks; the one that is pointed at stays so, and where they are is known once they are drawn. */
  show(marks) {
    const id = this.marks[this.hovered]?.id;
    this.places = [];
    [this.walk, this.grid] = [null, null];
    this.marks = marks.toSorted((a, b) => ORDER[a.kind] - ORDER[b.kind]);
    this.nothing.hidden = marks.length > 0;
    this.hovered = this.marks.findIndex((mark) => mark.id === id);
    if (this.hovered < 0) this.#hideTip();
    this.redraw();
  }

  /** Ring the mark of a structure, or of none. */
  select(id) {
    this.selected = id;
    this.#schedule();
  }

  /** Draw all of it anew, soon. */
  redraw() {
    this.isDirty = true;
    this.#schedule();
  }

  /** Stop listening. */
  close() {
    this.observer.disconnect();
    appearance.removeEventListener("change", this.onAppearance);
    cancelAnimationFrame(this.frameRequest);
  }

  #listen() {
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.element);
    this.onAppearance = () => this.redraw();
    appearance.addEventListener("change", this.onAppearance);
    this.canvas.addEventListener("pointermove", (event) => this.#hover(this.#find(event.offsetX, event.offsetY)));
    this.canvas.addEventListener("pointerleave", () => this.#hover(-1));
    this.canvas.addEventListener("blur", () => this.#hover(-1));
    this.canvas.addEventListener("click", (event) => this.#pick(this.#find(event.offsetX, event.offsetY)));
    this.canvas.addEventListener("keydown", (event) => this.#press(event));
  }

  #press(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (this.isDirty) this.#drawBase(); // what is walked through is where marks are
    if (event.key === "Enter" && this.hovered >= 0) this.#pick(this.hovered);
    else if (step && this.places.length) this.#hover(this.#nextTo(this.hovered, step), true);
    else return;
    event.preventDefault();
  }

  /** The next mark from left to right, and from below where they stand above one another. */
  #nextTo(index, step) {
    this.walk ??= this.places.map((_, k) => k).sort((a, b) => this.places[a][0] - this.places[b][0] || this.places[b][1] - this.places[a][1]);
    const at = this.walk.indexOf(index);
    return this.walk[at < 0 ? (step > 0 ? 0 : this.walk.length - 1) : (at + step + this.walk.length) % this.walk.length];
  }

  #pick(index) {
    if (index >= 0) this.options.onPick(this.marks[index].id);
  }

  #hover(index, isByKey = false) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.canvas.classList.toggle("over", index >= 0);
    if (index < 0) this.#hideTip();
    else this.#showTip(index, isByKey);
    this.#schedule();
  }

  #showTip(index, isByKey) {
    const text = this.options.describe(this.marks[index]);
    const [x, y] = this.places[index];
    this.tip.textContent = text;
    this.tip.hidden = false;
    const left = Math.min(Math.max(0, x + 12), this.size.width - this.tip.offsetWidth);
    this.tip.style.transform = `translate(${left}px, ${y > 60 ? y - this.tip.offsetHeight - 10 : y + 14}px)`;
    if (isByKey) announce(text);
  }

  #hideTip() {
    this.tip.hidden = true;
  }

  /** The mark nearest to a point, from the cells around it. */
  #find(x, y) {
    let nearest = -1;
    let least = REACH ** 2;
    for (let column = -1; column <= 1; column++) {
      for (let row = -1; row <= 1; row++) {
        for (const k of this.grid?.get(cellOf(x + column * REACH, y + row * REACH)) ?? []) {
          const distance = (this.places[k][0] - x) ** 2 + (this.places[k][1] - y) ** 2;
          if (distance <= least) [nearest, least] = [k, distance];
        }
      }
    }
    return nearest;
  }

  #schedule() {
    this.frameRequest ??= requestAnimationFrame(() => {
      this.frameRequest = null;
      if (this.isDirty) this.#drawBase();
      this.#drawTop();
    });
  }

  #drawBase() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    this.isDirty = false;
    this.size = { width, height };
    this.ratio = devicePixelRatio || 1;
    for (const canvas of [this.base, this.canvas]) [canvas.width, canvas.height] = [width * this.ratio, height * this.ratio];
    const context = this.base.getContext("2d");
    context.scale(this.ratio, this.ratio);
    const colours = readColours();
    const frame = this.options.layOut(this.size);
    if (this.marks.length) frame.draw(context, colours);
    this.places = this.marks.map(frame.place);
    this.#index();
    this.marks.forEach((mark, k) => drawMark(context, mark.kind, this.places[k], colours, mark.isFaint));
  }

  #index() {
    this.walk = null;
    this.grid = new Map();
    this.places.forEach(([x, y], k) => {
      const cell = cellOf(x, y);
      if (this.grid.has(cell)) this.grid.get(cell).push(k);
      else this.grid.set(cell, [k]);
    });
  }

  #drawTop() {
    if (!this.size) return;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.base, 0, 0);
    context.scale(this.ratio, this.ratio);
    const { ink } = readColours();
    const selected = this.selected === null ? -1 : this.marks.findIndex((mark) => mark.id === this.selected);
    for (const [k, radius, width] of [[this.hovered, 8, 1.5], [selected, 9, 2.5]]) {
      if (k < 0 || !this.places[k]) continue;
      context.beginPath();
      context.arc(...this.places[k], radius, 0, 2 * Math.PI);
      context.strokeStyle = ink;
      context.lineWidth = width;
      context.stroke();
    }
  }
}

function cellOf(x, y) {
  return Math.floor(x / REACH) * 65536 + Math.floor(y / REACH);
}
