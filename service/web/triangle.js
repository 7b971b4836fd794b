/** Compositions of three elements in a triangle, with the facets of the hull. */
import { compoundsOf } from "./convexity.js";
import { drawFormulas } from "./marks.js";

const MARGIN = 34;

/**
 * @param {import("./plot.js").Size} size
 * @param {string[]} symbols corners: top, left, right
 * @param {import("./convexity.js").Vertex[][]} facets
 * @returns {import("./plot.js").Frame}
 */
export function layOutTriangle(size, symbols, facets) {
  const side = Math.min(size.width - 2 * MARGIN, (size.height - 2 * MARGIN) / Math.sin(Math.PI / 3));
  const height = side * Math.sin(Math.PI / 3);
  const left = (size.width - side) / 2;
  const top = (size.height - height) / 2;
  const corners = [[left + side / 2, top], [left, top + height], [left + side, top + height]];
  const place = (at) => [0, 1].map((axis) => at.reduce((sum, share, k) => sum + share * corners[k][axis], 0));
  return {
    place: (mark) => place(mark.at),
    draw(context, colours) {
      drawFacets(context, facets, place, colours);
      drawFormulas(context, compoundsOf(facets.flat()).map(({ formula, at }) => ({ formula, place: place(at) })), colours);
      drawOutline(context, corners, symbols, colours);
    },
  };
}

function drawFacets(context, facets, place, colours) {
  const deepest = Math.min(-1e-9, ...facets.flat().map((vertex) => vertex.energy));
  context.lineWidth = 1;
  for (const facet of facets) {
    context.beginPath();
    for (const vertex of facet) context.lineTo(...place(vertex.at));
    context.closePath();
    context.globalAlpha = 0.04 + (0.22 * facet.reduce((sum, vertex) => sum + vertex.energy, 0)) / 3 / deepest;
    context.fillStyle = colours.accent;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = colours.muted;
    context.stroke();
  }
}

function drawOutline(context, corners, symbols, colours) {
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  context.closePath();
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.4;
  context.stroke();
  context.fillStyle = colours.ink;
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  corners.forEach(([x, y], k) => context.fillText(symbols[k], x, k === 0 ? y - 10 : y + 20));
}
