/** Atoms of a crystal as they are looked at: a supercell, with the images on its faces, and bonds. */
import { SYMBOLS, radiusOf } from "./elements.js";

const MOST_ATOMS = 1200;
const ON_FACE = 0.02;
const BOND = 1.12; // of the sum of two covalent radii

/**
 * @typedef {{numbers: number[], positions: number[][], cell: number[][], periodic: boolean[]}} Atoms
 * @typedef {{elem: string, x: number, y: number, z: number, serial: number, bonds: number[], bondOrder: number[]}} Ball
 */

/** The largest supercell, up to 3, that can be drawn. */
export function largestSupercell(atoms) {
  const n = atoms.numbers.length;
  return [3, 2].find((size) => n * size ** atoms.periodic.filter(Boolean).length <= MOST_ATOMS) ?? 1;
}

/**
 * @param {Atoms} atoms
 * @param {number} size cells along each periodic vector
 * @param {boolean} withBonds
 * @returns {Ball[]}
 */
export function buildBalls(atoms, size, withBonds) {
  const found = [];
  const fractions = toFractions(atoms);
  atoms.numbers.forEach((atomicNumber, k) => {
    for (const shift of shiftsOf(fractions[k], atoms.periodic, size)) {
      const [x, y, z] = atoms.positions[k].map((value, axis) => value + shift.reduce((sum, n, i) => sum + n * atoms.cell[i][axis], 0));
      found.push({ elem: SYMBOLS[atomicNumber - 1], x, y, z, atomicNumber, serial: found.length, bonds: [], bondOrder: [] });
    }
  });
  if (withBonds) addBonds(found);
  return found;
}

/** The twelve edges of the cell, as pairs of points. */
export function edgesOf(cell, size = 1) {
  const corner = (bits) => [0, 1, 2].map((axis) => bits.reduce((sum, bit, k) => sum + bit * size * cell[k][axis], 0));
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n & 1, (n >> 1) & 1, (n >> 2) & 1]);
  return corners.flatMap((bits) => bits.flatMap((bit, k) => (bit ? [] : [[corner(bits), corner(bits.with(k, 1))]])));
}

/** Lengths, Å, and angles, degrees, of a cell. */
export function measureCell(cell) {
  const lengths = cell.map((vector) => Math.hypot(...vector));
  const angle = (i, j) => (Math.acos(cell[i].reduce((sum, value, k) => sum + value * cell[j][k], 0) / lengths[i] / lengths[j]) * 180) / Math.PI;
  return { lengths, angles: [angle(1, 2), angle(0, 2), angle(0, 1)] };
}

/** Which images of an atom lie in the supercell; those on its far faces too. */
function shiftsOf(fraction, periodic, size) {
  const ranges = fraction.map((value, k) => {
    if (!periodic[k]) return [0];
    const home = Math.floor(value + ON_FACE);
    const n = size + (value - home < ON_FACE ? 1 : 0);
    return Array.from({ length: n }, (_, image) => image - home);
  });
  return ranges[0].flatMap((a) => ranges[1].flatMap((b) => ranges[2].map((c) => [a, b, c])));
}

function toFractions({ positions, cell, periodic }) {
  if (!periodic.some(Boolean)) return positions.map(() => [0, 0, 0]);
  const volume = dot(cell[0], cross(cell[1], cell[2]));
  const reciprocal = [cross(cell[1], cell[2]), cross(cell[2], cell[0]), cross(cell[0], cell[1])];
  return positions.map((position) => reciprocal.map((vector) => dot(position, vector) / volume));
}

function addBonds(balls) {
  for (let i = 0; i < balls.length; i++) {
    for (let j = i + 1; j < balls.length; j++) {
      const [a, b] = [balls[i], balls[j]];
      const reach = BOND * (radiusOf(a.atomicNumber) + radiusOf(b.atomicNumber));
      if ((a.x - b.x) ** 2 + (a.y - b.y) ** 2 + (a.z - b.z) ** 2 > reach ** 2) continue;
      a.bonds.push(j);
      b.bonds.push(i);
      a.bondOrder.push(1);
      b.bondOrder.push(1);
    }
  }
}

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
