/** `onelogit info`: what this machine offers. */
import { defineCommand } from './command.js';

export const command = defineCommand(
  {
    name: 'info',
    summary: 'what this machine offers',
    description: 'Version, processor, matrix products, instruction set, threads, GPUs.',
    positionals: [],
    options: {},
    examples: [
      ['onelogit info', 'the machine'],
      ['onelogit info --json', 'for a program, or for a bug report'],
    ],
  },
  async ({ output }) => {
    const [{ backendInfo }, { describeMachine }] = await Promise.all([import('../index.js'), import('../machine.js')]);
    const backend = backendInfo();
    const machine = describeMachine();
    output.result({ ...backend, machine }, () => {
      const { cpu, cuda } = backend;
      const lines: [string, string][] = [
        ['onelogit', `${backend.version}, Node ${machine.node}, ${machine.system}`],
        ['processor', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
        ['computes with', `${cpu.blas} matrix products, ${cpu.simd}, ${cpu.threads} threads`],
        ['GPU', cuda.available ? cuda.devices.map(String).join(', ') : `not used: ${cuda.reason}`],
      ];
      return columns(lines);
    });
  },
);

function columns(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
