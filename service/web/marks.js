/** How known, new and duplicate structures are drawn: told apart by shape as well as by colour. */
import { h } from "./dom.js";
import { KINDS } from "./format.js";

const LINE = 19;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./format.js").Kind} kind
 * @param {[number, number]} place
 * @param {Record<string, string>} colours
 * @param {boolean} [isFaint] drawn back behind the others
 */
export function drawMark(context, kind, [x, y], colours, isFaint = false) {
  context.globalAlpha = isFaint ? 0.28 : 1;
  context.beginPath();
  if (kind === "known") context.arc(x, y, 4.2, 0, 2 * Math.PI);
  else if (kind === "new") drawDiamond(context, x, y, 5);
  else drawCross(context, x, y, 2.8);
  if (kind === "duplicate") {
    context.strokeStyle = colours.duplicate;
    context.lineWidth = 1.3;
  } else {
    context.fillStyle = colours[kind];
    context.fill();
    context.strokeStyle = colours.surface;
    context.lineWidth = 0.8;
  }
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * Formulas beneath their marks, the most important first; those for which there is no room are left out.
 * @param {CanvasRenderingContext2D} context
 * @param {{formula: string, place: [number, number]}[]} labels
 * @param {Record<string, string>} colours
 */
export function drawFormulas(context, labels, colours) {
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = colours.surface;
  context.fillStyle = colours.ink;
  const drawn = [];
  for (const { formula, place: [x, y] } of labels) {
    const text = formula.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
    const reach = context.measureText(text).width / 2 + 4;
    if (drawn.some((other) => Math.abs(other.x - x) < other.reach + reach && Math.abs(other.y - y) < LINE)) continue;
    drawn.push({ x, y, reach });
    context.strokeText(text, x, y + LINE);
    context.fillText(text, x, y + LINE);
  }
}

function drawDiamond(context, x, y, radius) {
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.closePath();
}

function drawCross(context, x, y, radius) {
  context.moveTo(x - radius, y - radius);
  context.lineTo(x + radius, y + radius);
  context.moveTo(x + radius, y - radius);
  context.lineTo(x - radius, y + radius);
}

/** The kind of a structure as a word with its mark. */
export function badge(kind) {
  return h("span", { class: `badge ${kind}` }, KINDS[kind]);
}
