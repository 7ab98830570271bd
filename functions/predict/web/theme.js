// Light or dark: as the system has it, until the reader says otherwise.
import { useEffect, useState } from "./dom.js";

const KEY = "earshot-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

/** "light" or "dark", as it is now. */
function theme() {
  return document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
}

/** Take over what was chosen earlier. */
export function restoreTheme() {
  const chosen = localStorage.getItem(KEY);
  if (chosen) document.documentElement.dataset.theme = chosen;
}

export function toggleTheme() {
  const next = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem(KEY, next);
  dispatchEvent(new Event("earshot-theme"));
}

/** The theme, kept up to date: what is drawn is drawn again. */
export function useTheme() {
  const [current, setCurrent] = useState(theme);
  useEffect(() => {
    const follow = () => setCurrent(theme());
    addEventListener("earshot-theme", follow);
    system.addEventListener("change", follow);
    return () => {
      removeEventListener("earshot-theme", follow);
      system.removeEventListener("change", follow);
    };
  }, []);
  return current;
}

/** A custom property of the design, as a colour to draw with. */
export const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
