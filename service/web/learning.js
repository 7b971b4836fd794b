/** How a training goes: the force error, epoch by epoch. */
import { getJson } from "./api.js";
import { layOutAxes, rangeOf } from "./axes.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { Plot } from "./plot.js";

export class LearningCurve {
  constructor() {
    this.rows = [];
    this.plot = new Plot({
      label: "Force error against epoch",
      describe: (mark) => `Epoch ${mark.x}: force error ${number(mark.y)} held out`,
      onPick: () => {},
      layOut: (size) => this.#layOut(size),
    });
    this.element = h("div", { class: "figures" }, h("figure", {}, h("figcaption", {}, "Force error: line in training, points under noise that was held out"), this.plot.element));
  }

  /** Bring it up to date with the service. */
  async refresh(jobId, signal) {
    const curve = await getJson(`jobs/${jobId}/curve`, signal);
    this.rows = curve.epoch.map((epoch, k) => ({ epoch, training: curve.force_rmse[k], heldOut: curve.validation_force_rmse[k] ?? curve.force_rmse[k] }));
    this.plot.show(this.rows.map((row) => ({ id: String(row.epoch), kind: "new", x: row.epoch, y: row.heldOut })));
  }

  close() {
    this.plot.close();
  }

  #layOut(size) {
    const x = { range: rangeOf(this.rows.map((row) => row.epoch)), title: "Epoch" };
    const y = { range: rangeOf([0, ...this.rows.flatMap((row) => [row.training, row.heldOut])]), title: "Force error, pseudo units" };
    return layOutAxes(size, { x, y, drawBehind: (context, toPixel, colours) => this.#drawTraining(context, toPixel, colours) });
  }

  #drawTraining(context, toPixel, colours) {
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const row of this.rows) context.lineTo(...toPixel(row.epoch, row.training));
    context.stroke();
  }
}
