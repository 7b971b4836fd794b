/** Lower convex hulls of energies over compositions, of two and of three elements. */

/**
 * @typedef {{at: number[], energy: number, id: string|null, formula?: string}} Vertex composition as fractions, energy of formation
 */

/** Those that are structures of several elements, and no end members, the lowest first. */
export function compoundsOf(vertices) {
  return [...new Set(vertices)].filter((vertex) => vertex.id !== null && Math.max(...vertex.at) < 1).sort((a, b) => a.energy - b.energy);
}

/**
 * The corners of the lower hull of a binary, from left to right (Andrew's monotone chain).
 * @param {Vertex[]} vertices
 */
export function lowerChain(vertices) {
  const chain = [];
  for (const vertex of vertices.toSorted((a, b) => a.at[1] - b.at[1] || a.energy - b.energy)) {
    if (chain.length && chain.at(-1).at[1] === vertex.at[1]) continue;
    while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), vertex) <= 0) chain.pop();
    chain.push(vertex);
  }
  return chain;
}

function turn(a, b, c) {
  return (b.at[1] - a.at[1]) * (c.energy - a.energy) - (b.energy - a.energy) * (c.at[1] - a.at[1]);
}

/**
 * The facets of the lower hull of a ternary: triples that no other vertex lies below. Few vertices, so all are tried.
 * @param {Vertex[]} vertices
 * @returns {Vertex[][]}
 */
export function lowerFacets(vertices) {
  const facets = [];
  for (let i = 0; i < vertices.length; i++) {
    for (let j = i + 1; j < vertices.length; j++) {
      for (let k = j + 1; k < vertices.length; k++) {
        const plane = planeThrough(vertices[i], vertices[j], vertices[k]);
        if (plane && vertices.every((vertex) => vertex.energy >= plane(vertex.at) - 1e-9)) facets.push([vertices[i], vertices[j], vertices[k]]);
      }
    }
  }
  return facets;
}

/** The plane through three points over the triangle; null where they are in one line. */
function planeThrough(a, b, c) {
  const [u, v] = [b, c].map((vertex) => [vertex.at[0] - a.at[0], vertex.at[1] - a.at[1], vertex.energy - a.energy]);
  const determinant = u[0] * v[1] - u[1] * v[0];
  if (Math.abs(determinant) < 1e-12) return null;
  const slope0 = (u[2] * v[1] - u[1] * v[2]) / determinant;
  const slope1 = (u[0] * v[2] - u[2] * v[0]) / determinant;
  return (at) => a.energy + slope0 * (at[0] - a.at[0]) + slope1 * (at[1] - a.at[1]);
}

/**
 * The lowest of each composition, end members always, and no more than the hull needs.
 * @param {Vertex[]} vertices
 */
export function lowestOfEach(vertices, most = 90) {
  const lowest = new Map();
  for (const vertex of vertices) {
    const key = vertex.at.map((share) => share.toFixed(6)).join();
    if (!lowest.has(key) || vertex.energy < lowest.get(key).energy) lowest.set(key, vertex);
  }
  const isEnd = (vertex) => Math.max(...vertex.at) === 1;
  const all = [...lowest.values()].filter((vertex) => isEnd(vertex) || vertex.energy < 0);
  return all.sort((a, b) => isEnd(b) - isEnd(a) || a.energy - b.energy).slice(0, most);
}
