/** The page: which view an address shows. */
import { addressOf, connection } from "./api.js";
import { installThemeButton } from "./appearance.js";
import { AskView } from "./ask.js";
import { ExploreView } from "./explore.js";
import { installKeyButton } from "./keys.js";
import { ModelsView } from "./models.js";
import { address, installLinks, readState } from "./state.js";
import { WatchView } from "./watch.js";

const VIEWS = { ask: AskView, watch: WatchView, structures: ExploreView, models: ModelsView };
const TITLES = { ask: "rmatch", watch: "Job · rmatch", structures: "Structures · rmatch", models: "Models · rmatch" };
const RETRY = 2000;

const place = document.getElementById("view");
let shown = { name: "", view: null };

function nameOf(state) {
  if (state.view && Object.hasOwn(VIEWS, state.view)) return state.view;
  if (state.job) return "watch";
  return state.structure ? "structures" : "ask";
}

function showView() {
  const state = readState();
  const name = nameOf(state);
  if (name !== shown.name) {
    shown.view?.close();
    const isFirst = shown.name === "";
    shown = { name, view: new VIEWS[name]() };
    document.title = TITLES[name];
    place.replaceChildren(shown.view.element);
    scrollTo(0, 0);
    if (!isFirst) place.focus({ preventScroll: true });
    for (const link of document.querySelectorAll("nav [data-view]")) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
  shown.view.show(state);
}

/** A banner while the service is away; when it is back, what failed meanwhile is shown anew. */
function installBanner() {
  const banner = document.getElementById("connection");
  const knock = async () => {
    try {
      await fetch(addressOf("healthz"));
    } catch {
      setTimeout(knock, RETRY);
      return;
    }
    connection.dispatchEvent(new Event("found"));
  };
  connection.addEventListener("lost", () => {
    banner.textContent = "The service does not answer. This page tries again by itself.";
    banner.hidden = false;
    setTimeout(knock, RETRY);
  });
  connection.addEventListener("found", () => {
    if (banner.hidden) return;
    banner.hidden = true;
    if (document.querySelector("#view .notice.error")) {
      shown.name = "";
      showView();
    }
  });
}

installLinks();
installThemeButton();
installKeyButton();
installBanner();
address.addEventListener("change", showView);
showView();
