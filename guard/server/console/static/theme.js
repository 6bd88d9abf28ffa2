// Light, dark, or as the system says. Kept in this browser.

const ORDER = ["auto", "light", "dark"];

export function applyTheme() {
  const chosen = theme();
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

export function theme() {
  const kept = localStorage.getItem("guard-theme");
  return ORDER.includes(kept) ? kept : "auto";
}

export function nextTheme() {
  localStorage.setItem("guard-theme", ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length]);
  applyTheme();
}
