/** What the fields of the form ask for, as the service takes it. */

/** @typedef {{field: string, reason: string, hint: string}} FormError */

/**
 * @param {HTMLFormElement} form
 * @returns {{request: Record<string, any>, errors: FormError[]}} errors are of what is no number; the rest is for the service to judge
 */
export function readForm(form) {
  /** @type {FormError[]} */
  const errors = [];
  const text = (name) => form.elements[name].value.trim();
  const refuse = (field, reason, hint) => {
    errors.push({ field, reason, hint });
  };
  const number = (name, field = name) => {
    const value = text(name).replace(",", ".");
    if (value === "") return undefined;
    if (!Number.isFinite(Number(value))) return refuse(field, `${text(name).slice(0, 20)} is no number`, "Write digits.");
    return Number(value);
  };
  const request = {
    composition: text("composition"),
    n: number("n"),
    formula_units: readUnits(text("formula_units"), refuse),
    boundary: readBoundary(form),
    model: text("model") || undefined,
    seed: number("seed"),
    min_distance: number("min_distance"),
    separations: readSeparations(text("separations"), refuse),
    volume_per_atom: readPair(number("volume_low", "volume_per_atom"), number("volume_high", "volume_per_atom"), refuse),
    cell: readCell(text("cell"), refuse),
    density: number("density"),
    fixed_volume: form.elements.fixed_volume.checked || undefined,
    pressure: number("pressure"),
    fixed_cell: form.elements.fixed_cell.checked || undefined,
    starts: readShares(["references", "wyckoff", "random"].map((name) => [name, number(`starts_${name}`, "starts")])),
    space_groups: readSpaceGroups(text("space_groups")),
    swaps: number("swaps"),
    hops: number("hops"),
    generations: number("generations"),
    annealing: number("annealing"),
    optimizer: text("optimizer") || undefined,
    target: readTarget({ band_gap: text("target_band_gap"), formation_energy: text("target_formation_energy") }, refuse),
    layer: readLayer(text("layer"), refuse),
    seed_structure: readStructure(text("seed_structure"), refuse),
    relax_seed: form.elements.relax_seed.checked || undefined,
    fmax: number("fmax"),
    max_steps: number("max_steps"),
    match: form.elements.match.checked ? undefined : false,
  };
  if (!request.composition) refuse("composition", "there is no formula", "Write one such as LiS2, or a chemical system such as Li-S.");
  return { request, errors };
}

function readUnits(text, refuse) {
  if (text === "") return undefined;
  const parts = text.split(/\s*[-–]\s*/);
  if (parts.length <= 2 && parts.every((part) => /^\d+$/.test(part))) return parts.length === 1 ? Number(text) : parts.map(Number);
  return refuse("formula_units", `${text.slice(0, 20)} is no number and no range`, "Write 2, or 1-4.");
}

function readBoundary(form) {
  const boundary = form.elements.boundary.value;
  return boundary === "partly" ? { periodic: ["a", "b", "c"].map((axis) => form.elements[`periodic_${axis}`].checked) } : boundary;
}

function readPair(low, high, refuse) {
  if (low === undefined && high === undefined) return undefined;
  if (low === undefined || high === undefined) return refuse("volume_per_atom", "one end of the range is missing", "Give both, or none.");
  return [low, high];
}

function readCell(text, refuse) {
  if (text === "") return undefined;
  const cell = text.split("\n").map((line) => line.trim().split(/[\s,]+/).map(Number));
  if (cell.length === 3 && cell.every((vector) => vector.length === 3 && vector.every(Number.isFinite))) return cell;
  return refuse("cell", "this is no cell", "Write three lines of three numbers.");
}

function readSeparations(text, refuse) {
  if (text === "") return undefined;
  const pairs = text.split(/[,;\n]+/).map((item) => item.trim().split(/[\s=:]+/));
  if (pairs.every(([pair, distance, ...rest]) => pair && !rest.length && Number(distance) > 0)) return Object.fromEntries(pairs.map(([pair, distance]) => [pair, Number(distance)]));
  return refuse("separations", `${text.slice(0, 20)} is no list of distances`, "Write pairs with their distances, such as Li-S 2.0, S-S 3.0.");
}

function readLayer(text, refuse) {
  if (text === "") return undefined;
  const heights = text.split(/[\s,;–-]+/).map(Number);
  if (heights.length === 2 && heights.every(Number.isFinite)) return heights;
  return refuse("layer", `${text.slice(0, 20)} are no two heights`, "Write two numbers, such as 6 9.");
}

function readTarget(texts, refuse) {
  const given = Object.entries(texts).filter(([, text]) => text !== "");
  const ranges = given.map(([name, text]) => [name, text.match(/^\s*(-?[\d.]+)(?:\s+(?:to\s+)?|\s*[,;–-]\s*)(-?[\d.]+)\s*$/)?.slice(1).map(Number)]);
  const wrong = ranges.findIndex(([, range]) => !range?.every(Number.isFinite));
  if (wrong >= 0) return refuse("target", `${given[wrong][1].slice(0, 20)} is no range`, "Write two numbers, such as 1-2 or -2 to -1.");
  return given.length ? Object.fromEntries(ranges) : undefined;
}

function readStructure(text, refuse) {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return refuse("seed_structure", "this is no JSON", "Paste the `atoms` of a structure, as the service gives them.");
  }
}

function readSpaceGroups(text) {
  const given = text.split(/[\s,;]+/).filter(Boolean);
  return given.length ? given.map((item) => (/^\d+$/.test(item) ? Number(item) : item)) : undefined;
}

function readShares(shares) {
  const given = shares.filter(([, share]) => share !== undefined);
  return given.length ? Object.fromEntries(given) : undefined;
}
