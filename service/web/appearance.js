/** Light and dark: what the system says, unless the button was used; and the colours of the style sheet for canvases. */

const SAVED = "rmatch-theme";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** Tells that colours have changed. */
export const appearance = new EventTarget();

/** Whether the page is dark. */
export function isDark() {
  const chosen = document.documentElement.style.colorScheme;
  return chosen ? chosen === "dark" : systemIsDark.matches;
}

/** Let the button switch the theme. */
export function installThemeButton() {
  const button = document.getElementById("theme-button");
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    appearance.dispatchEvent(new Event("change"));
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.style.colorScheme = theme;
    localStorage.setItem(SAVED, theme);
    show();
  });
  systemIsDark.addEventListener("change", show);
  show();
}

/**
 * The colours that canvases draw with, as they are now.
 * @returns {{ink: string, muted: string, line: string, surface: string, accent: string, known: string, new: string, duplicate: string}}
 */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "muted", "line", "surface", "accent", "known", "new", "duplicate"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
}
