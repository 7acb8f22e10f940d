/** Names of classes, where many of them are shown. */

const most = 100;

/** A name of at most 100 characters: what is left out of a longer one is an ellipsis. Never half a character of two UTF-16 units. */
export function shortName(name: string): string {
  if (name.length <= most) return name;
  const characters = Array.from(name.slice(0, 2 * most + 1));
  return characters.length <= most ? name : `${characters.slice(0, most - 1).join('')}…`;
}
