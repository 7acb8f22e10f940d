/** Text that is safe inside HTML: what a template inserts is escaped unless it is HTML already. */

export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Names come from files of whoever. Other control characters than line ends and tabs are no HTML; they are shown as U+FFFD. */
export function escapeHtml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
  return text.replace(/[\0-\x08\x0b\x0e-\x1f\x7f]/g, '\ufffd').replace(/[&<>"']/g, (character) => entities[character]!);
}

type Insertable = string | number | Html | readonly Insertable[] | undefined | null | false;

function insert(value: Insertable): string {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(insert).join('');
  return escapeHtml(String(value));
}

/** html`<p>${text}</p>` */
export function html(strings: TemplateStringsArray, ...values: readonly Insertable[]): Html {
  return new Html(strings.reduce((text, part, i) => text + part + (i < values.length ? insert(values[i]) : ''), ''));
}

/** JSON inside a script element, which ends at the first `</script`, whatever is around it. */
export function jsonInScript(value: unknown): string {
  return JSON.stringify(value).replace(/[<\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
