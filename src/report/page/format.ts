/** Numbers as text, and elements. */

export const count = (value: number): string => value.toLocaleString('en-US');

/** A share from 0 to 1 with four decimals; a dash for none. 1 and 0 only if it is exactly that. */
export function share(value: number | null): string {
  if (value === null) return '–';
  if (value < 1 && value > 0.99995) return '0.9999…';
  if (value > 0 && value < 0.00005) return value.toExponential(1);
  return value.toFixed(4);
}

/** A score with as many decimals as tell the bounds of bins of this width apart. */
export function scoreText(value: number, width: number): string {
  const decimals = Math.max(0, Math.min(12, Math.ceil(-Math.log10(width) - 1e-9) + 1));
  const text = Math.abs(value) < 1e7 ? value.toFixed(decimals) : value.toExponential(3);
  return text.replace(/^-(?=[\d.])/, '−').replace(/^−(0(\.0*)?)$/, '$1');
}

/** A name within other text, whose direction it must not change: between U+2068 (first strong isolate) and U+2069. */
export const isolated = (name: string): string => `\u2068${name}\u2069`;

type Properties = Readonly<Record<string, string | boolean | number | undefined>>;

/** An element with attributes, and text or elements inside. Text stays text, whatever is in it. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value));
  made.append(...children);
  return made;
}

/** The element with this id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
