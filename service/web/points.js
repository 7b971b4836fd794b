/** Structures as points: many columns of the service, made one object each, and their way onto figures. */
import { getJson, query } from "./api.js";
import { countAtoms, energyUnit, kindOf, number, symbolsOf } from "./format.js";

/**
 * @typedef {{id: string, formula: string, energy: number, above: number|null, volume: number|null, opinion: number|null, kind: import("./format.js").Kind, isConverged?: boolean}} Point
 * @typedef {{points: Point[], isComplete: boolean}} Cloud
 */

/**
 * The structures that pass filters, ten thousand at most.
 * @param {Record<string, string>} filters as the service names them
 * @param {AbortSignal} signal
 * @returns {Promise<Cloud>}
 */
export async function loadPoints(filters, signal) {
  const columns = await getJson(`structures/points?${query(filters)}`, signal);
  const points = columns.id.map((id, k) => ({
    id,
    formula: columns.reduced_formula[k],
    energy: columns.energy[k],
    above: columns.energy_above_hull[k],
    volume: columns.volume_per_atom[k],
    opinion: columns.opinion_energy[k],
    kind: kindOf({ known: columns.known[k], duplicate: columns.duplicate[k] }),
  }));
  return { points, isComplete: columns.is_complete };
}

/** The structures of a chemical system of a model and of all systems within it. */
export async function loadSystem(chemsys, model, signal) {
  const clouds = await Promise.all(subsetsOf(symbolsOf(chemsys)).map((subset) => loadPoints({ chemsys: subset.join("-"), model, converged: true, sort: "energy" }, signal)));
  return { points: clouds.flatMap((cloud) => cloud.points), isComplete: clouds.every((cloud) => cloud.isComplete) };
}

/** A structure of an event as a point. */
export function pointOf(structure) {
  const isFormation = structure.energy_kind === "formation";
  return {
    id: structure.id,
    formula: structure.reduced_formula,
    energy: isFormation ? structure.formation_energy_per_atom : structure.pseudo_energy_per_atom,
    above: null,
    volume: structure.volume_per_atom,
    opinion: null,
    kind: kindOf({ known: structure.matches.length > 0, duplicate: false }),
    isConverged: structure.converged,
  };
}

/** A point in words. */
export function describePoint(point, energyKind) {
  const above = point.above === null ? "" : `, ${number(point.above)} above the hull`;
  return `${point.formula}, ${point.kind}: ${number(point.energy)} ${energyUnit(energyKind)}${above}`;
}

/** Atomic fractions of a formula, in the order of the symbols. */
export function fractionsOf(formula, symbols) {
  const counts = countAtoms(formula);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return symbols.map((symbol) => (counts[symbol] ?? 0) / total);
}

function subsetsOf(symbols) {
  const all = symbols.reduce((subsets, symbol) => [...subsets, ...subsets.map((subset) => [...subset, symbol])], [[]]);
  return all.slice(1);
}
