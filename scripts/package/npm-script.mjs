// Which script of package.json npm was asked for. Its environment variables name the script that is running, which may be one that npm runs
// before or after it; npm's own process has its command line as its title.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Parent and command line of a process; undefined where it cannot be seen. */
function look(pid) {
  try {
    if (process.platform === 'linux') {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return { parent: Number(fields[1]), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') };
    }
    const [, parent, command] = /^\s*(\d+) (.*)/.exec(
      execFileSync('ps', ['-o', 'ppid=', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }),
    );
    return { parent: Number(parent), command };
  } catch {
    return undefined;
  }
}

/** `'build'` in what `npm run build` started; undefined where no npm did. */
export function npmScript() {
  let seen = look(process.ppid);
  for (let generation = 0; seen !== undefined && generation < 4; ++generation) {
    const [, script] = /^npm run(?:-script)? (\S+)/.exec(seen.command) ?? [];
    if (script !== undefined) return script;
    seen = seen.parent > 1 ? look(seen.parent) : undefined;
  }
  return undefined;
}
