import { lastValueFrom, toArray, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from '../../src/store/segmentStore';

/** Everything an Observable of a store emits. */
export function emissions<R>(source: Observable<R>): Promise<R[]> {
  return lastValueFrom(source.pipe(toArray()));
}

/** Waits for an operation, and gives what it emitted. */
export async function did<R>(source: Observable<R>): Promise<R> {
  const [first] = await emissions(source);
  return first as R;
}

/** A file with this content, open for writing. */
export async function makeFile(store: SegmentStore, name: string, content: string): Promise<SegmentFile> {
  const file = await did(store.open(name, 'create'));
  await did(file.write([Buffer.from(content)], 0));
  return file;
}

/** What a file holds, read from its beginning to its end. */
export async function contentOf(file: SegmentFile): Promise<string> {
  return Buffer.from(await did(file.read(0, await did(file.size())))).toString('latin1');
}
