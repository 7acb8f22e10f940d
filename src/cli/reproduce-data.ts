/** Which of the data sets that were asked for are there, and what is done with each. */
import { OneLogitError } from '../errors.js';
import { describePlaces, findTableData } from '../reproduce/data.js';
import type { NotRun } from '../reproduce/report.js';
import { paperDatasets, type TableDataset } from '../reproduce/table-datasets.js';

/**
 * Those that are there, with their directories. One that was named and is not there is an error; of the paper's, when none was named, those
 * that are not there are left out.
 */
export function findDatasets(
  asked: readonly TableDataset[] | undefined,
  directory: string | undefined,
): { found: [TableDataset, string][]; notRun: NotRun[] } {
  const found: [TableDataset, string][] = [];
  const notRun: NotRun[] = [];
  for (const name of asked ?? paperDatasets) {
    const path = findTableData(name, directory);
    if (path !== undefined) found.push([name, path]);
    else if (asked === undefined) notRun.push({ what: name, why: `not in ${describePlaces(directory)}` });
    else throw missing(name, directory, name);
  }
  if (found.length === 0) throw missing(`one of ${paperDatasets.join(', ')}`, directory, 'mnist');
  return { found, notRun };
}

function missing(what: string, directory: string | undefined, example: TableDataset): OneLogitError {
  const fetched = ['mnist', 'cifar10', 'cifar100', 'svhn'].includes(example);
  return new OneLogitError(
    'ERR_ONELOGIT_NO_DATA',
    `Expected the files of ${what} in ${directory === undefined ? '--data, $ONELOGIT_DATA, ../shared/data or the download cache' : describePlaces(directory)} but found none${
      fetched ? `; onelogit download ${example} fetches ${what === example ? 'them' : example}` : ''
    }`,
  );
}
