/** Files: fetched with the key, so that it stands in no address. */
import { addressOf, send } from "./api.js";
import { announce, h } from "./dom.js";

const CRYSTAL = { cif: "CIF", poscar: "POSCAR", extxyz: "extXYZ", json: "JSON" };
const MOLECULE = { sdf: "SDF", xyz: "XYZ", extxyz: "extXYZ", json: "JSON" };

/** Links to a structure in every format that it has. */
export function downloadLinks(structure) {
  const formats = structure.atoms.periodic.some(Boolean) ? CRYSTAL : MOLECULE;
  const error = h("p", { class: "error", role: "alert" });
  const link = ([format, name]) => {
    const path = `structures/${structure.id}?format=${format}`;
    return h("a", { href: addressOf(path), download: `${structure.id}.${format}`, class: "button", onclick: (event) => save(event, path, error) }, name);
  };
  return h("div", { class: "downloads" }, Object.entries(formats).map(link), error);
}

async function save(event, path, error) {
  event.preventDefault();
  error.textContent = "";
  try {
    const response = await send(path, { headers: { Accept: "*/*" } });
    const name = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? event.target.download;
    const address = URL.createObjectURL(await response.blob());
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    announce(`Saved ${name}`);
  } catch (problem) {
    error.textContent = problem.message;
  }
}
