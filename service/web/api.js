/** Calls of the service. Answers are JSON; refusals are problem documents (RFC 9457), thrown as {@link Problem}. */
import { askForKey, currentKey } from "./keys.js";

/** @typedef {{field: string, value: string, reason: string, hint: string, code: string}} FieldError */

/** The service refused, and says why. */
export class Problem extends Error {
  /** @param {{title: string, detail: string, code: string, errors: FieldError[]}} document @param {number} status */
  constructor(document, status) {
    super(document.detail || document.title);
    this.title = document.title;
    this.code = document.code;
    this.errors = document.errors ?? [];
    this.status = status;
  }
}

/** The service does not answer. */
export class Unreachable extends Error {
  constructor() {
    super("The service does not answer.");
  }
}

/** Tells "lost" and "found": of the way to the service. */
export const connection = new EventTarget();
let isLost = false;

/** The address of a path of the service, wherever it is mounted. */
export function addressOf(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}

/**
 * Ask the service, with the key where there is one; where one is needed, the user is asked for it.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
export async function send(path, options = {}) {
  const key = currentKey();
  const headers = { Accept: "application/json", ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await reach(addressOf(path), { ...options, headers });
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (problem.status === 401 && (await askForKey(problem, key))) return send(path, options);
  throw problem;
}

/** The JSON at a path. */
export async function getJson(path, signal) {
  return (await send(path, { signal })).json();
}

/** Send JSON. */
export async function postJson(path, body) {
  return (await send(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })).json();
}

/** Query parameters without those that are not set. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return new URLSearchParams(set).toString();
}

async function reach(address, options) {
  try {
    const response = await fetch(address, options);
    if (isLost) tell("found");
    return response;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (!isLost) tell("lost");
    throw new Unreachable();
  }
}

function tell(what) {
  isLost = what === "lost";
  connection.dispatchEvent(new Event(what));
}

async function readProblem(response) {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const document = isProblem ? await response.json() : { title: response.statusText || "Error", detail: `The service answered with status ${response.status}.` };
  return new Problem(document, response.status);
}
