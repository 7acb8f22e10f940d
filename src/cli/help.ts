/**
 * Help texts, made from what a command accepts, so that they cannot fall behind it.
 */
import { type CommandSpec, commonOptions } from './options.js';

/** Breaks text at spaces so that no line is longer than `width`, indenting every line but the first. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.join(`\n${indent}`);
}

/** Two columns; the right one is wrapped. On a narrow terminal it goes below the left one. */
function columns(rows: readonly (readonly [left: string, right: string])[], width: number): string {
  const longest = Math.max(...rows.map(([left]) => left.length));
  const below = width - longest - 4 < 28;
  return rows
    .map(([left, right]) =>
      below
        ? `  ${left}\n      ${wrap(right, width - 6, ' '.repeat(6))}`
        : `  ${left.padEnd(longest)}  ${wrap(right, width - longest - 4, ' '.repeat(longest + 4))}`,
    )
    .join('\n');
}

export function commandHelp(spec: CommandSpec, width: number): string {
  const positionals = spec.positionals.map(({ name, optional }) => (optional ? `[${name}]` : name));
  const usage = ['onelogit', spec.name, ...positionals, '[options]'].join(' ');
  const options = Object.entries({ ...spec.options, ...commonOptions }).map(([name, option]): [string, string] => {
    const shown = Array.isArray(option.otherwise) ? option.otherwise.join(',') : option.otherwise;
    const otherwise = shown === undefined || shown === false ? '' : ` (default: ${shown})`;
    return [
      `${name === 'help' ? '-h, ' : ''}--${name}${option.placeholder === undefined ? '' : ` ${option.placeholder}`}`,
      option.help + otherwise,
    ];
  });
  const sections = [wrap(spec.description ?? spec.summary, width), wrap(`Usage: ${usage}`, width, '  ')];
  if (spec.positionals.length > 0)
    sections.push(
      `Arguments:\n${columns(
        spec.positionals.map(({ name, help }) => [name, help]),
        width,
      )}`,
    );
  sections.push(`Options:\n${columns(options, width)}`);
  sections.push(`Examples:\n${spec.examples.map(([line, what]) => `  # ${wrap(what, width - 4, '  # ')}\n  $ ${line}`).join('\n')}`);
  return sections.join('\n\n');
}

export function programHelp(commands: readonly { name: string; summary: string }[], width: number): string {
  return [
    wrap('Does this example belong to class c? Trains networks whose single logit answers that, and asks them.', width),
    wrap('Usage: onelogit COMMAND [arguments] [options]', width, '  '),
    `Commands:\n${columns(
      commands.map(({ name, summary }) => [name, summary]),
      width,
    )}`,
    `Options:\n${columns(
      [
        ['-h, --help', 'this help; onelogit COMMAND --help tells about one command'],
        ['-V, --version', 'the version'],
      ],
      width,
    )}`,
    `Examples:\n${[
      ['onelogit quickstart', 'see it work, in about a minute'],
      ['onelogit train mnist/ --loss batch-cross-entropy --validation 0.1 --out model.safetensors', 'train on a directory of data'],
      ['onelogit evaluate model.safetensors mnist/', 'how well single logits tell the classes'],
      ['onelogit score model.safetensors --class 3 --input x.npy', 'one question'],
    ]
      .map(([line, what]) => `  # ${wrap(what!, width - 4, '  # ')}\n  $ ${line}`)
      .join('\n')}`,
    wrap(
      'Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Progress goes to standard error, results to standard output.',
      width,
    ),
  ].join('\n\n');
}
