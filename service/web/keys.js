/** The API key: asked for where the service wants one, and kept until the tab is closed. */
import { button, h } from "./dom.js";

const STORED = "rmatch-key";
/** @type {Promise<boolean>|null} one question, however many calls wait for its answer */
let asking = null;

/** The key, or null. */
export function currentKey() {
  return sessionStorage.getItem(STORED);
}

/** Let the button in the header take another key. */
export function installKeyButton() {
  const opener = document.getElementById("key-button");
  opener.addEventListener("click", async () => {
    if (await open({ message: "Another key is used from now on." })) location.reload();
  });
  opener.hidden = !currentKey();
}

/**
 * Ask for a key, unless there is another one by now than the call was made with.
 * @param {Error} problem why
 * @param {string|null} refused the key of the call
 * @returns {Promise<boolean>} whether to try again
 */
export async function askForKey(problem, refused) {
  if (currentKey() !== refused) return true;
  asking ??= open(problem).finally(() => {
    asking = null;
  });
  return asking;
}

function open({ message }) {
  const field = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-why" });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "key-title" }, "This service asks for a key"),
    h("p", { id: "key-why" }, `${message} It is kept in this tab only, until you close it.`),
    h("label", { for: "key" }, "Key"),
    field,
    h("div", { class: "actions" }, h("button", { class: "primary", value: "use" }, "Use key"), button("Not now", () => dialog.close())),
  );
  const dialog = h("dialog", { "aria-labelledby": "key-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const key = field.value.trim();
      const isGiven = dialog.returnValue === "use" && key !== "";
      if (isGiven) sessionStorage.setItem(STORED, key);
      document.getElementById("key-button").hidden = false;
      dialog.remove();
      resolve(isGiven);
    });
  });
}
