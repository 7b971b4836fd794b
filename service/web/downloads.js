/** Files: fetched with the key, so that it stands in no address. */
import { addressOf, query, send } from "./api.js";
import { announce, button, h } from "./dom.js";

const CRYSTAL = { cif: "CIF", poscar: "POSCAR", extxyz: "extXYZ" };
const MOLECULE = { sdf: "SDF", xyz: "XYZ", extxyz: "extXYZ" };
const EITHER = { json: "JSON", pymatgen: "pymatgen", "ase-db": "ASE database" };
const LISTS = { extxyz: "extXYZ", jsonl: "JSON lines", zip: "ZIP of CIF or SDF", "ase-db": "ASE database" };

/** Links to a structure in every format that it has. */
export function downloadLinks(structure) {
  const formats = { ...(structure.atoms.periodic.some(Boolean) ? CRYSTAL : MOLECULE), ...EITHER };
  const error = h("p", { class: "error", role: "alert" });
  const link = ([format, name]) => {
    const path = `structures/${structure.id}?format=${format}`;
    return h("a", { href: addressOf(path), download: `${structure.id}.${format}`, class: "button", onclick: (event) => {
      event.preventDefault();
      save(path, error, `${structure.id}.${format}`);
    } }, name);
  };
  return h("div", { class: "downloads" }, Object.entries(formats).map(link), error);
}

/**
 * Saves all structures of a list, as many as there are, in one file.
 * @param {() => Record<string, string>} readFilters the filters of the list and its order
 */
export function listDownload(readFilters) {
  const error = h("p", { class: "error", role: "alert" });
  const format = h("select", { "aria-label": "File" }, Object.entries(LISTS).map(([value, name]) => h("option", { value }, name)));
  const start = button("Save all", async () => {
    start.disabled = true;
    announce("The file is being written");
    await save(`structures/export?${query({ ...readFilters(), format: format.value })}`, error);
    start.disabled = false;
  });
  return h("div", { class: "save-list" }, format, start, error);
}

export async function save(path, error, fallback = "structures") {
  error.textContent = "";
  try {
    const response = await send(path, { headers: { Accept: "*/*" } });
    const name = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? fallback;
    const address = URL.createObjectURL(await response.blob());
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    announce(`Saved ${name}`);
  } catch (problem) {
    error.textContent = problem.message;
  }
}
