/** A structure in three dimensions, by 3Dmol.js, which is loaded when the first one is shown. */
import { appearance, readColours } from "./appearance.js";
import { buildBalls, edgesOf, largestSupercell } from "./crystal.js";
import { h, notice } from "./dom.js";

let library = null;

/** 3Dmol.js; it is no module, and puts itself into the window. */
function load3Dmol() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: new URL("./3Dmol-min.js", import.meta.url).href, onload: () => resolve(globalThis.$3Dmol), onerror: () => reject(new Error("3Dmol.js did not load.")) });
    document.head.append(script);
  });
  library.catch(() => {
    library = null;
  });
  return library;
}

export class Viewer {
  /** @param {string} label what is seen, in words */
  constructor(label) {
    this.stage = h("div", { class: "stage", role: "img", "aria-label": label });
    this.controls = h("div", { class: "controls" });
    this.key = h("p", { class: "element-key" });
    this.element = h("div", { class: "viewer" }, this.stage, this.controls, this.key);
    this.size = 1;
    this.withBonds = true;
    this.onAppearance = () => this.#draw(true);
    appearance.addEventListener("change", this.onAppearance);
  }

  /** @param {import("./crystal.js").Atoms} atoms */
  async show(atoms) {
    this.atoms = atoms;
    this.#drawControls();
    try {
      this.$3Dmol = await load3Dmol();
      if (!this.stage.isConnected) return;
      this.view = this.$3Dmol.createViewer(this.stage, { antialias: true, disableFog: true });
      if (!this.view) throw new Error("This browser has no WebGL.");
      this.#drawKey();
      this.#draw();
    } catch (error) {
      this.stage.replaceChildren(notice("empty", "No picture in three dimensions.", error.message));
    }
  }

  /** Let go of the graphics. */
  close() {
    appearance.removeEventListener("change", this.onAppearance);
    const canvas = this.stage.querySelector("canvas");
    canvas?.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
    this.view = null;
  }

  #draw(keepsView = false) {
    const { view, atoms } = this;
    if (!view) return;
    const standpoint = view.getView();
    view.setBackgroundColor(toHex(readColours().surface), 1);
    view.removeAllModels();
    view.removeAllShapes();
    view.addModel().addAtoms(buildBalls(atoms, this.size, this.withBonds));
    view.setStyle({}, { sphere: { scale: 0.28, colorscheme: "Jmol" }, ...(this.withBonds && { stick: { radius: 0.11, colorscheme: "Jmol" } }) });
    if (atoms.periodic.some(Boolean)) this.#drawCell();
    if (keepsView) view.setView(standpoint);
    else {
      view.zoomTo();
      view.rotate(12, "y");
      view.rotate(8, "x");
    }
    view.render();
  }

  #drawCell() {
    const color = toHex(readColours().muted);
    const point = ([x, y, z]) => ({ x, y, z });
    for (const [start, end] of edgesOf(this.atoms.cell)) this.view.addCylinder({ start: point(start), end: point(end), color, radius: 0.022, fromCap: 1, toCap: 1 });
  }

  #drawControls() {
    const largest = largestSupercell(this.atoms);
    const isCrystal = this.atoms.periodic.some(Boolean);
    const toggle = (text, isOn, act) => h("button", { type: "button", class: "quiet", "aria-pressed": String(isOn), onclick: act }, text);
    const again = (changes, keepsView) => () => {
      Object.assign(this, changes);
      const at = [...this.controls.children].indexOf(document.activeElement);
      this.#drawControls();
      this.controls.children[at]?.focus();
      this.#draw(keepsView);
    };
    this.controls.replaceChildren(
      ...(isCrystal ? Array.from({ length: largest }, (_, k) => toggle(`${k + 1}×`, this.size === k + 1, again({ size: k + 1 }, false))) : []),
      toggle("Bonds", this.withBonds, again({ withBonds: !this.withBonds }, true)),
      h("button", { type: "button", class: "quiet", onclick: () => this.#draw() }, "Reset"),
    );
    if (isCrystal) [...this.controls.children].slice(0, largest).forEach((control, k) => control.setAttribute("aria-label", `Supercell ${k + 1} × ${k + 1} × ${k + 1}`));
  }

  #drawKey() {
    const colours = this.$3Dmol.elementColors.Jmol;
    const symbols = [...new Set(buildBalls(this.atoms, 1, false).map((ball) => ball.elem))];
    const entry = (symbol) => {
      const dot = h("i", { "aria-hidden": "true" });
      dot.style.background = `#${(colours[symbol] ?? 0xff1493).toString(16).padStart(6, "0")}`;
      return h("span", {}, dot, symbol);
    };
    this.key.replaceChildren(...symbols.map(entry));
  }
}

/** "rgb(1, 2, 3)" as 3Dmol.js takes colours. */
function toHex(colour) {
  return `#${colour.match(/\d+/g).slice(0, 3).map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`;
}
