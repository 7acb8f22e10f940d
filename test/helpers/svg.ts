/** What tests look for in the text of an SVG file. */

/** The names of all elements, in the order in which they begin. Throws unless every tag is closed and all of it is one svg element. */
export function svgElements(text: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  const rest = text.trim().replace(/<(\/?)([a-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi, (_, end, name, _attributes, empty) => {
    if (end !== '') {
      if (open.pop() !== name) throw new Error(`</${name}> ends another element`);
    } else {
      if (open.length === 0 && names.length > 0) throw new Error(`<${name}> is outside the first element`);
      names.push(name);
      if (empty === '') open.push(name);
    }
    return '';
  });
  if (open.length > 0) throw new Error(`${open.join(', ')} not closed`);
  if (/[<]/.test(rest)) throw new Error(`not a tag: ${rest.slice(rest.indexOf('<'), rest.indexOf('<') + 80)}`);
  if (names[0] !== 'svg') throw new Error(`not svg but ${names[0]}`);
  return names;
}

/** The contents of its text elements. */
export function svgTexts(text: string): string[] {
  return [...text.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content!);
}
