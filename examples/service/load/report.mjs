// What a load run says: numbers, for people and for a file, and whether they are good enough.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What the service's memory may grow by, from the first third of the run to the last. */
const mostGrowth = 0.02;

/** What autocannon, the histogram of latencies (ns) and the comparison of answers have counted. */
export function measured({ result, latencies, answers }) {
  const percentile = (share) => latencies.percentile(share) / 1e6;
  return {
    requests: { answered: answers.a + answers.b, perSecond: result.requests.average, byModelA: answers.a, byModelB: answers.b },
    failures: {
      socket: result.errors,
      timeouts: result.timeouts,
      non2xx: Math.max(result.non2xx, answers.notOk),
      neitherModel: answers.neither,
    },
    latencyMilliseconds: { p50: percentile(50), p99: percentile(99), p999: percentile(99.9), most: latencies.max / 1e6 },
  };
}

const failed = ({ failures }) => failures.socket + failures.timeouts + failures.non2xx + failures.neitherModel;
const percent = (share) => `${(100 * share).toFixed(2)} %`;

/** A few lines for people. */
export function summary(output) {
  const { requests, reloads, latencyMilliseconds, residentMiB } = output;
  const { p50, p99, p999, most } = latencyMilliseconds;
  return [
    `${requests.answered} requests answered, ${Math.round(requests.perSecond)} a second; ${failed(output)} failed`,
    `by model A ${requests.byModelA}, by model B ${requests.byModelB}; reloads: ${reloads.ok} ok, ${reloads.failed} failed, of ${reloads.asked}`,
    `latency: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, p99.9 ${p999.toFixed(2)} ms, most ${most.toFixed(1)} ms`,
    `resident: ${residentMiB.firstThird.toFixed(1)} MiB in the first third, ${residentMiB.lastThird.toFixed(1)} MiB in the last (${percent(residentMiB.growth)})`,
  ].join('\n');
}

/** What is not as it should be, in a sentence; null if nothing is. */
export function complaints(output) {
  const { reloads, residentMiB, exitCode } = output;
  const wrong = [
    failed(output) > 0 && `${failed(output)} requests failed`,
    (reloads.ok !== reloads.asked || reloads.failed > 0) && `${reloads.ok} of ${reloads.asked} reloads succeeded`,
    residentMiB.growth > mostGrowth && `memory grew by ${percent(residentMiB.growth)}`,
    exitCode !== 0 && `the service ended with ${exitCode}`,
  ].filter(Boolean);
  if (wrong.length === 0) return null;
  return `Expected no failed request, all reloads, at most ${percent(mostGrowth)} more memory and exit code 0 but: ${wrong.join('; ')}`;
}

export async function write(path, output) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(output, null, 2)}\n`);
}
