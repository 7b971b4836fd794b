/** The pseudo convex hull of a chemical system: a line for two elements, a triangle for three. */
import { layOutAxes, robustRangeOf } from "./axes.js";
import { compoundsOf, lowerChain, lowerFacets, lowestOfEach } from "./convexity.js";
import { drawFormulas } from "./marks.js";
import { Plot } from "./plot.js";
import { describePoint, fractionsOf } from "./points.js";
import { layOutTriangle } from "./triangle.js";

/** @typedef {import("./points.js").Point} Point */

/**
 * @param {{symbols: string[], energyKind: string, ends: Record<string, number>, jobId?: string, onPick: (id: string) => void}} options
 *   `ends`: energies of the elements by the model's card; `jobId`: other jobs' structures are drawn back
 */
export function createHull({ symbols, energyKind, ends, jobId, onPick }) {
  const byId = new Map();
  let layOut = (size) => layOutAxes(size, { x: { range: [0, 1], title: "" }, y: { range: [-1, 0], title: "" } });
  const plot = new Plot({
    label: `Convex hull of ${symbols.join(", ")}`,
    describe: (mark) => describePoint(byId.get(mark.id), energyKind),
    onPick,
    layOut: (size) => layOut(size),
  });
  return {
    element: plot.element,
    /** The hull of all points, with marks of those that are wanted. */
    show(points, isWanted) {
      byId.clear();
      for (const point of points) byId.set(point.id, point);
      const vertices = measureFromEnds(points, symbols, ends);
      const shown = vertices.filter((vertex) => vertex.id !== null && isWanted(byId.get(vertex.id)));
      const marks = (symbols.length === 2 ? shown : lowestOf(shown, byId)).map((vertex) => markOf(vertex, byId.get(vertex.id), jobId));
      layOut = symbols.length === 2 ? binary(symbols, energyKind, vertices, marks) : ternary(symbols, vertices);
      plot.show(marks);
    },
    select: (id) => plot.select(id),
    close: () => plot.close(),
  };
}

/** Energies relative to the elements': the model's own, unless a lower one was found. */
function measureFromEnds(points, symbols, ends) {
  const all = points.map((point) => ({ id: point.id, formula: point.formula, at: fractionsOf(point.formula, symbols), energy: point.energy }));
  const energies = symbols.map((symbol, k) => {
    const found = all.filter((vertex) => vertex.at[k] === 1).map((vertex) => vertex.energy);
    return found.reduce((low, energy) => Math.min(low, energy), ends[symbol] ?? Infinity);
  });
  const zero = energies.map((energy) => (Number.isFinite(energy) ? energy : 0));
  const corners = symbols.map((_, k) => ({ id: null, at: symbols.map((_symbol, j) => Number(j === k)), energy: 0 }));
  return [...corners, ...all.map((vertex) => ({ ...vertex, energy: vertex.energy - vertex.at.reduce((sum, share, k) => sum + share * zero[k], 0) }))];
}

function markOf(vertex, point, jobId) {
  return { id: point.id, kind: point.kind, x: vertex.at[1], y: vertex.energy, at: vertex.at, isFaint: jobId !== undefined && !point.id.startsWith(jobId) };
}

/** The lowest of each composition, duplicates only where there is nothing else. */
function lowestOf(vertices, byId) {
  const isDuplicate = (vertex) => Number(byId.get(vertex.id).kind === "duplicate");
  const lowest = new Map();
  for (const vertex of vertices.toSorted((a, b) => isDuplicate(a) - isDuplicate(b) || a.energy - b.energy)) {
    const { formula } = byId.get(vertex.id);
    if (!lowest.has(formula)) lowest.set(formula, vertex);
  }
  return [...lowest.values()];
}

function binary(symbols, energyKind, vertices, marks) {
  const chain = lowerChain(lowestOfEach(vertices));
  const { range: [low, high] } = robustRangeOf(marks.map((mark) => mark.y), 0.95);
  const deepest = Math.min(...chain.map((vertex) => vertex.energy));
  const range = [Math.min(low, 1.06 * deepest, -0.05), Math.max(high, -0.06 * low, 0.05)];
  const nAbove = marks.filter((mark) => mark.y > range[1]).length;
  const unit = energyKind === "formation" ? "Formation energy (estimate), eV/atom" : "Pseudo energy of formation (no unit)";
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: at === 0 ? symbols[0] : at === 1 ? symbols[1] : String(at) }));
  return (size) =>
    layOutAxes(size, {
      x: { range: [-0.03, 1.03], title: `Fraction of ${symbols[1]}`, ticks },
      y: { range, title: unit },
      note: nAbove ? `${nAbove} above, drawn at the edge` : "",
      drawBehind(context, toPixel, colours) {
        context.beginPath();
        for (const vertex of chain) context.lineTo(...toPixel(vertex.at[1], vertex.energy));
        context.strokeStyle = colours.ink;
        context.lineWidth = 1.6;
        context.stroke();
        drawFormulas(context, compoundsOf(chain).map(({ formula, at, energy }) => ({ formula, place: toPixel(at[1], energy) })), colours);
      },
    });
}

function ternary(symbols, vertices) {
  const facets = lowerFacets(lowestOfEach(vertices));
  return (size) => layOutTriangle(size, symbols, facets);
}
