/** Light or dark: as the reader's system has it, until the button says otherwise. */
import { byId } from './format.js';

const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners: (() => void)[] = [];

/** A colour of the style sheet, as it is now: canvases do not know custom properties. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Calls back when colours have changed. */
export function onThemeChange(listener: () => void): void {
  listeners.push(listener);
}

export function startTheme(): void {
  const button = byId<HTMLButtonElement>('theme');
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
  const show = () => {
    const next = isDark() ? 'light' : 'dark';
    button.textContent = next === 'dark' ? 'Dark' : 'Light';
    button.setAttribute('aria-label', `Change to ${next} colours`);
    for (const listener of listeners) listener();
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    show();
  });
  dark.addEventListener('change', show);
  // On paper it is light.
  matchMedia('print').addEventListener('change', show);
  show();
}
