/** The little that the benchmark uses of peers that come without types. */

declare module 'async-append-only-log' {
  interface Sink<T> {
    paused: boolean;
    write(value: T): void;
    end(error?: Error | null): void;
  }
  interface Log<T> {
    append(value: T | readonly T[], done: (error: Error | null, offset: number) => void): void;
    readonly onDrain: (done: () => void) => void;
    stream(options: { readonly offsets: false }): { pipe(sink: Sink<T>): void };
    readonly close: (done: (error?: Error | null) => void) => void;
  }
  interface Options<T> {
    readonly blockSize?: number;
    readonly writeTimeout?: number;
    readonly codec: { encode(value: T): Uint8Array; decode(bytes: Uint8Array): T };
  }
  export default function openLog<T>(path: string, options: Options<T>): Log<T>;
}

declare module 'hypercore' {
  export default class Hypercore<T> {
    constructor(path: string, options: { readonly valueEncoding: 'json' });
    readonly length: number;
    ready(): Promise<void>;
    append(values: readonly T[]): Promise<{ length: number }>;
    get(index: number): Promise<T>;
    close(): Promise<void>;
  }
}
