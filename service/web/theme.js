// Runs before the page is drawn, so that it does not flash in the other theme.
(() => {
  const saved = localStorage.getItem("rmatch-theme");
  if (saved === "light" || saved === "dark") document.documentElement.style.colorScheme = saved;
})();
