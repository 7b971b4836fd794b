/** Numbers and formulas as people write them. */
import { h } from "./dom.js";

/** @typedef {"known"|"new"|"duplicate"} Kind */

/** What the kinds of structures are called. */
export const KINDS = { known: "Known", new: "New", duplicate: "Duplicate" };

/** A number with a true minus sign; a dash where there is none. */
export function number(value, digits = 3) {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}

/** A whole number with thin spaces between thousands. */
export function whole(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** The formula with its numbers lowered. */
export function formula(text) {
  return h("span", { class: "formula" }, text.split(/(\d+)/).map((part) => (/^\d+$/.test(part) ? h("sub", {}, part) : part)));
}

/** A time as how long ago it was. */
export function ago(time) {
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** The energy that a kind of energy is, with its unit. */
export function energyName(kind) {
  return kind === "formation" ? "Formation energy (estimate), eV/atom" : "Pseudo energy per atom (no unit)";
}

/** The unit of a kind of energy. */
export function energyUnit(kind) {
  return kind === "formation" ? "eV/atom" : "per atom, no unit";
}

/**
 * Whether a structure is known, a duplicate or new.
 * @returns {Kind}
 */
export function kindOf({ known, duplicate }) {
  if (duplicate) return "duplicate";
  return known ? "known" : "new";
}

/**
 * Counts of the atoms of a formula without parentheses, as the service writes them.
 * @param {string} text
 * @returns {Record<string, number>}
 */
export function countAtoms(text) {
  const counts = {};
  for (const [, symbol, count] of text.matchAll(/([A-Z][a-z]?)(\d*)/g)) {
    counts[symbol] = (counts[symbol] ?? 0) + Number(count || 1);
  }
  return counts;
}

/** The elements of a formula or chemical system, in alphabetical order. */
export function symbolsOf(text) {
  return [...new Set(text.match(/[A-Z][a-z]?/g) ?? [])].sort();
}
