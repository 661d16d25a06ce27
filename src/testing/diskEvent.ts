/** A part of a file. */
export interface FileRange {
  readonly position: number;
  readonly bytes: number;
}

/**
 * What happened to a simulated disk, in the order in which it happened. `file` is the number of the file itself, which it keeps when it
 * is renamed; `name` is the name it was opened by.
 */
export type DiskEvent =
  | { readonly kind: 'create'; readonly name: string; readonly file: number }
  | {
      readonly kind: 'write';
      readonly name: string;
      readonly file: number;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'truncate'; readonly name: string; readonly file: number; readonly size: number }
  | {
      /** An fsync has returned, or has failed: `syncFailed`. */
      readonly kind: 'sync' | 'syncFailed';
      readonly name: string;
      readonly file: number;
      /** Number of events there were when it began: what was written since is not covered. */
      readonly begun: number;
      /** What it covers. Default: the whole file. */
      readonly range?: FileRange;
    }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string; readonly file: number }
  | { readonly kind: 'remove'; readonly name: string; readonly file: number }
  | { readonly kind: 'syncDir'; readonly begun: number }
  | {
      /** The power went: these files are all there is, and durable. They have the numbers from `file` on. */
      readonly kind: 'powerCut';
      readonly files: ReadonlyMap<string, Uint8Array>;
      readonly file: number;
    };

/** An event in a few words, for a message. */
export function describeEvent(event: DiskEvent): string {
  switch (event.kind) {
    case 'write':
      return `write ${event.name}, ${event.bytes.length} bytes at ${event.position}`;
    case 'truncate':
      return `truncate ${event.name} to ${event.size} bytes`;
    case 'sync':
    case 'syncFailed': {
      const { range } = event;
      const what = range ? `${event.name}, ${range.bytes} bytes at ${range.position}` : event.name;
      return event.kind === 'sync' ? `sync ${what}` : `sync ${what}: failed`;
    }
    case 'rename':
      return `rename ${event.name} to ${event.to}`;
    case 'syncDir':
      return 'syncDir';
    case 'powerCut':
      return 'power cut';
    case 'create':
    case 'remove':
      return `${event.kind} ${event.name}`;
  }
}
