/** A job: how far it is while it runs, what it found. */
import { Problem, getJson, postJson, send } from "./api.js";
import { announce, button, h, notice } from "./dom.js";
import { followJob } from "./events.js";
import { ago, formula, symbolsOf, whole } from "./format.js";
import { LearningCurve } from "./learning.js";
import { forgetModels } from "./models.js";
import { pointOf } from "./points.js";
import { Results } from "./results.js";
import { change, go, linkTo, readState } from "./state.js";

const REDRAW = 250;
const REFRESH = 1500;
const MOST_FORMULAS = 14;
const OVER = new Set(["succeeded", "failed", "cancelled"]);
const ASKED = ["composition", "n", "volume_per_atom", "density", "fixed_volume", "pressure", "cell", "fixed_cell", "min_distance", "separations", "layer", "seed_structure", "relax_seed", "starts", "space_groups", "swaps", "hops", "generations", "annealing", "optimizer", "target", "model", "fmax", "max_steps", "match"];

export class WatchView {
  constructor() {
    this.head = h("header", { class: "job-head" }, notice("loading", "Loading…"));
    this.results = new Results({ describeNothing: () => this.#describeNothing() });
    this.element = h("div", { class: "watch" }, this.head);
    this.points = new Map();
  }

  /** @param {Record<string, string>} state */
  async show(state) {
    if (state.job !== this.jobId) await this.#open(state.job);
    if (this.scope) await this.results.show(this.scope, state);
  }

  close() {
    this.controller?.abort();
    this.#stopRedrawing();
    this.results.close();
    this.curve?.close();
  }

  async #open(jobId) {
    this.controller?.abort();
    this.#stopRedrawing();
    this.controller = new AbortController();
    this.jobId = jobId;
    this.points.clear();
    this.curve?.close();
    this.curve?.element.remove();
    [this.curve, this.scope] = [null, null];
    const { signal } = this.controller;
    try {
      this.job = await getJson(`jobs/${encodeURIComponent(jobId)}`, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.job = null;
      const title = error instanceof Problem && error.status === 404 ? "There is no such job." : "The job cannot be shown.";
      this.head.replaceChildren(notice("error", title, error.message, button("Try again", () => go({ job: jobId }, { replace: true }))));
      return;
    }
    if (this.job.kind === "train") return this.#openTraining(signal);
    if (this.job.kind === "opinion") return this.#openOpinions(signal);
    const { composition, model } = this.job.spec;
    const [first] = this.job.formulas; // has the atoms of a seed structure as well
    this.scope = { filters: { job: jobId }, model, chemsys: symbolsOf(first.formula).join("-"), jobId };
    document.title = `${composition} · rmatch`;
    this.#drawHead();
    this.element.append(this.results.element);
    if (!OVER.has(this.job.state)) this.#follow(signal);
  }

  /** Structures that another potential is asked about; of several models there are no figures. */
  #openOpinions(signal) {
    const { model, chemsys } = this.job.spec;
    this.scope = model ? { filters: { opinion_job: this.jobId }, model, chemsys } : null;
    document.title = "Second opinion · rmatch";
    this.#drawHead();
    if (this.scope) this.element.append(this.results.element);
    if (!OVER.has(this.job.state)) this.#follow(signal);
  }

  async #openTraining(signal) {
    document.title = `${this.job.model} · rmatch`;
    this.curve = new LearningCurve();
    this.#drawHead();
    this.element.append(this.curve.element);
    await this.#refreshCurve();
    if (!OVER.has(this.job.state)) this.#follow(signal);
  }

  async #refreshCurve() {
    const { signal } = this.controller;
    try {
      await this.curve.refresh(this.jobId, signal);
    } catch (error) {
      if (!signal.aborted) this.note.textContent = `The curve did not come: ${error.message}`;
    }
  }

  async #follow(signal) {
    try {
      await followJob(this.jobId, (name, data) => this.#take(name, data), signal);
    } catch (error) {
      if (!signal.aborted) this.note.textContent = `It cannot be followed: ${error.message}`;
    }
  }

  #take(name, data) {
    if (name === "structure") this.points.set(data.id, pointOf(data));
    else if (name === "job") this.#update(data);
    if (name === "end") this.#finish();
    else this.#redrawSoon();
  }

  #update(job) {
    const isOther = job.state !== this.job.state;
    const isFurther = job.counts.finished !== this.job.counts.finished;
    this.job = job;
    if (isOther) this.#drawHead();
    else this.#drawProgress();
    if (this.curve) this.#refreshCurve();
    if (job.kind === "opinion" && isFurther && this.scope) this.results.refresh();
  }

  /** Points as they come, a few times a second; the table less often. */
  #redrawSoon() {
    if (!this.points.size) return;
    this.redrawing ??= setTimeout(() => {
      this.redrawing = null;
      this.results.showLive([...this.points.values()]);
    }, REDRAW);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.results.refreshTable();
    }, REFRESH);
  }

  #stopRedrawing() {
    clearTimeout(this.timer);
    clearTimeout(this.redrawing);
    [this.timer, this.redrawing] = [null, null];
  }

  async #finish() {
    this.#stopRedrawing();
    const { signal } = this.controller;
    try {
      this.job = await getJson(`jobs/${this.jobId}`, signal);
    } catch (error) {
      if (!signal.aborted) this.note.textContent = `Its end did not come: ${error.message}`;
      return;
    }
    this.#drawHead();
    if (this.curve) {
      announce(`${this.job.model} ${this.job.state}`);
      forgetModels();
      return this.#refreshCurve();
    }
    announce(this.job.kind === "opinion" ? `Second opinion ${this.job.state}` : `${this.job.spec.composition} ${this.job.state}: ${this.job.counts.generated} structures`);
    if (this.scope) await this.results.refresh();
  }

  #drawHead() {
    const { job } = this;
    const isOver = OVER.has(job.state);
    const actions = isOver ? this.#actionsAfter() : [button("Cancel", () => this.#cancel(), { class: "danger" })];
    this.bar = h("progress", { max: 1, "aria-label": "Progress" });
    this.counts = h("p", { class: "counts" });
    this.note = h("p", { class: "error", role: "alert" });
    const hadFocus = this.head.contains(document.activeElement);
    this.head.replaceChildren(
      h("div", { class: "job-title" }, h("h1", { tabindex: -1 }, titleOf(job)), h("span", { class: `state ${job.state}`, role: "status" }, job.state), h("span", { class: "sub" }, `${describe(job)} · ${ago(job.created_at)}`)),
      h("div", { class: "actions" }, ...actions, this.scope?.chemsys ? this.#linkToAll() : null),
      isOver ? "" : this.bar,
      job.state === "failed" ? notice("error", "The job failed.", job.error ?? "") : "",
      job.formulas.length > 1 ? searched(job.formulas) : "",
      this.counts,
      this.note,
    );
    if (hadFocus) this.head.querySelector("h1").focus({ preventScroll: true });
    this.#drawProgress();
  }

  #linkToAll() {
    const { chemsys, model } = this.scope;
    return h("a", { class: "button", href: linkTo({ view: "structures", chemsys, model }), "data-link": true }, `All of ${chemsys}`);
  }

  #actionsAfter() {
    if (this.job.kind === "opinion") return [];
    if (!this.curve) return [button("Again, another seed", () => this.#runAgain())];
    const { model, state } = this.job;
    if (state !== "succeeded") return [];
    return [h("a", { class: "button primary", href: linkTo({ model }), "data-link": true }, "Find structures with it"), h("a", { class: "button", href: linkTo({ view: "models", model }), "data-link": true }, "Look at the model")];
  }

  #drawProgress() {
    const { counts, progress } = this.job;
    this.bar.value = progress;
    if (this.job.kind !== "generate") {
      const failed = counts.failed ? ` · ${whole(counts.failed)} failed` : "";
      this.counts.textContent = `${whole(counts.finished)} of ${whole(counts.requested)} ${this.curve ? "epochs" : "structures"}${failed}`;
      return;
    }
    const parts = [`${whole(counts.generated)} of ${whole(counts.requested)} structures`, `${counts.converged} converged`, `${counts.matched} known`, counts.unique === null ? null : `${counts.unique} distinct`, counts.failed ? `${counts.failed} failed` : null];
    this.counts.textContent = parts.filter(Boolean).join(" · ");
  }

  #describeNothing() {
    if (readState().kind) return notice("empty", "None of this kind.", "", button("Show all", () => change({ kind: "" })));
    const { state, counts } = this.job;
    if (state === "queued") return notice("empty", "It waits for a worker.", "Structures come here as they are found.");
    if (state === "running") return notice("empty", "None so far.", "Structures come here as they are found.");
    return notice("empty", "Nothing was found.", counts.failed ? `${whole(counts.failed)} starts came to no structure: try another seed, more formula units or another model.` : "");
  }

  async #cancel() {
    await this.#act(async () => {
      this.#update(await (await send(`jobs/${this.jobId}`, { method: "DELETE" })).json());
    });
  }

  async #runAgain() {
    await this.#act(async () => {
      const job = await postJson("generate", requestOf(this.job.spec));
      go({ job: job.id });
    });
  }

  async #act(action) {
    try {
      await action();
    } catch (error) {
      this.note.textContent = error.message;
    }
  }
}

/** What a job is called. */
export function titleOf(job) {
  return { train: () => job.model, opinion: () => `Second opinion${job.spec.chemsys ? `, ${job.spec.chemsys}` : ""}`, generate: () => formula(job.spec.composition) }[job.kind]();
}

function describe({ kind, model, spec }) {
  const n = `${whole(spec.n_structures ?? 0)} ${spec.n_structures === 1 ? "structure" : "structures"}`;
  if (kind === "opinion") return `CHGNet on ${n}${model ? ` of ${model}` : ""}`;
  return `${kind === "train" ? `trained from ${n}${spec.base ? ` and ${spec.base}` : ""}` : model} · seed ${spec.seed}`;
}

/** The formulas of a chemical system that are searched, the likeliest first. */
function searched(formulas) {
  const parts = formulas.slice(0, MOST_FORMULAS).flatMap((part, k) => [k ? " · " : "", formula(part.formula), ` ${part.n}`]);
  const nMore = formulas.length - MOST_FORMULAS;
  return h("p", { class: "sub" }, ...parts, nMore > 0 ? ` and ${nMore} more` : "");
}

/** The request that gives a job of this specification, but for its seed. */
function requestOf(spec) {
  const { periodic, formula_units: units } = spec;
  const boundary = periodic.every(Boolean) ? "crystal" : periodic.some(Boolean) ? { periodic } : "molecule";
  const formula_units = units && (units.length === 1 ? units[0] : [units[0], units.at(-1)]);
  const asked = ASKED.map((name) => [name, spec[name]]);
  return Object.fromEntries([...asked, ["boundary", boundary], ["formula_units", formula_units]].filter(([, value]) => value !== null && value !== undefined));
}
