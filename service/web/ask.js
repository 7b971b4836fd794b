/** The first view: the form, and the jobs there are. */
import { getJson } from "./api.js";
import { button, h, notice } from "./dom.js";
import { AskForm } from "./form.js";
import { ago, whole } from "./format.js";
import { linkTo } from "./state.js";
import { titleOf } from "./watch.js";

const REFRESH = 4000;

export class AskView {
  constructor() {
    this.jobs = h("section", { class: "jobs", "aria-labelledby": "jobs-title" }, h("h2", { id: "jobs-title" }, "Jobs"), (this.list = h("div", {}, notice("loading", "Loading…"))));
    this.element = h("div", { class: "ask-view" });
  }

  /** @param {Record<string, string>} state values of the form */
  show({ composition = "", n = "", model = "" }) {
    if (!this.element.childElementCount) this.element.append(new AskForm({ composition, n, model }).element, this.jobs);
    this.#refresh();
  }

  close() {
    clearTimeout(this.timer);
    this.isClosed = true;
  }

  async #refresh() {
    clearTimeout(this.timer);
    try {
      const { items, next } = await getJson("jobs?limit=12");
      if (this.isClosed) return;
      this.list.replaceChildren(items.length ? h("ul", {}, items.map(rowOf)) : welcome(), next ? h("p", { class: "hint" }, "Older ones are under ", h("a", { href: linkTo({ view: "structures" }), "data-link": true }, "Structures"), ".") : "");
      if (items.some((job) => job.finished_at === null)) this.timer = setTimeout(() => this.#refresh(), REFRESH);
    } catch (error) {
      this.list.replaceChildren(notice("error", "The jobs could not be listed.", error.message, button("Try again", () => this.#refresh())));
    }
  }
}

function describe({ kind, counts, model }) {
  if (kind === "train") return `a model, ${whole(counts.finished)} of ${whole(counts.requested)} epochs`;
  if (kind === "opinion") return `${whole(counts.finished)} of ${whole(counts.requested)} structures, CHGNet`;
  return `${whole(counts.generated)} of ${whole(counts.requested)}, ${counts.matched} known · ${model}`;
}

function rowOf(job) {
  const bar = h("progress", { max: 1, value: job.progress, "aria-label": `${Math.round(100 * job.progress)} %` });
  return h(
    "li",
    {},
    h("a", { href: linkTo({ job: job.id }), "data-link": true }, h("strong", {}, titleOf(job)), h("span", { class: `state ${job.state}` }, job.state), h("span", { class: "sub" }, `${describe(job)} · ${ago(job.created_at)}`), job.error ? h("span", { class: "error" }, job.error) : null, job.finished_at ? null : bar),
  );
}

function welcome() {
  return notice("empty", "None yet.", "Write a formula and press the button: thirty structures take some seconds, and come with their energies, space groups and the known crystals that they match.");
}
