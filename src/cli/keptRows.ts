import type { KeptFacts } from './keptFacts';
import { countText, plural } from './words';

/** What a log keeps, and for whom: a row for the floor, and one for each reader. */
export function keptRows({ floorLsn, keptBy, readers }: KeptFacts): [what: string, text: string][] {
  return [
    ['kept', keptText(floorLsn, keptBy)],
    ...readers.map(({ name, lsn, lag, lost, movedAt }): [string, string] => {
      const gone = lost > 0 ? `, of which ${countText(lost)} ${lost === 1 ? 'is' : 'are'} gone` : '';
      const behind = lag === 0 ? 'has everything' : `${plural(lag, 'record')} behind${gone}`;
      // A name may be any text; as JSON it can do nothing to a terminal.
      return [`reader ${JSON.stringify(name)}`, `at LSN ${lsn}, ${behind}, moved ${new Date(movedAt).toISOString()}`];
    }),
  ];
}

function keptText(floorLsn: number, keptBy: KeptFacts['keptBy']): string {
  const from = `from LSN ${floorLsn + 1} on`;
  switch (keptBy.kind) {
    case 'nothing asked':
      return 'everything: there is no checkpoint';
    case 'reader':
      return `${from}, for reader ${JSON.stringify(keptBy.name)}`;
    case 'checkpoint':
    case 'cap':
      return `${from}, behind the checkpoint`;
  }
}
