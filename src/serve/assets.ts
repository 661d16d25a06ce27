import { dirname, join } from 'node:path';
import { concatMap, forkJoin, map, type Observable } from 'rxjs';
import { asIoError } from '../ioError';
import { withFile } from '../reading/segmentFrames';
import { nodeStore } from '../store/nodeStore';

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const PAGE = join(__dirname, 'page');
const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

/** Everything that can be asked for by path, read once. Nothing of a request ever becomes the path of a file. */
export function assets(): Observable<ReadonlyMap<string, Asset>> {
  const charts = dirname(require.resolve('uplot'));
  return forkJoin({
    '/': asset(PAGE, 'index.html', HTML),
    '/page.css': asset(PAGE, 'page.css', CSS),
    '/page.js': asset(PAGE, 'page.js', SCRIPT),
    '/icon.svg': asset(PAGE, 'icon.svg', 'image/svg+xml'),
    '/uPlot.css': asset(charts, 'uPlot.min.css', CSS),
    '/uPlot.js': asset(charts, 'uPlot.iife.min.js', SCRIPT),
  }).pipe(map((found) => new Map(Object.entries(found))));
}

function asset(dir: string, name: string, type: string): Observable<Asset> {
  return withFile(nodeStore(dir), name, (file) => file.size().pipe(concatMap((size) => file.read(0, size)))).pipe(
    asIoError('Reading', join(dir, name)),
    map((bytes) => ({ type, bytes })),
  );
}
