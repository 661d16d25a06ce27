import type { Writable } from 'node:stream';
import { styleText } from 'node:util';
import { type Observable, ReplaySubject, defer, fromEvent, map, merge, of, take } from 'rxjs';

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Where results or remarks go: the standard output or the standard error, or any stream in its place. */
export class Output {
  /** Emits once the reader has gone (`| head`), which ends the command quietly; fails where writing fails for any other reason. */
  readonly gone$: Observable<void>;
  readonly #gone = new ReplaySubject<void>(1);
  #room = true;

  constructor(private readonly stream: Writable) {
    this.gone$ = this.#gone.asObservable();
    stream.on('drain', () => {
      this.#room = true;
    });
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') this.#gone.next();
      else this.#gone.error(error);
    });
  }

  line(text: string): void {
    this.#room = this.stream.write(`${text}\n`);
  }

  /** Emits once, when the stream has room: at once, or when it has drained. */
  drained(): Observable<void> {
    return defer(() => {
      if (this.#room) return of(undefined);
      const stopped = this.gone$.pipe(map(() => undefined));
      return merge(fromEvent(this.stream, 'drain').pipe(map(() => undefined)), stopped).pipe(take(1));
    });
  }

  get isTerminal(): boolean {
    return (this.stream as Partial<NodeJS.WriteStream>).isTTY === true;
  }

  /** Columns of the terminal. */
  get columns(): number {
    return (this.stream as Partial<NodeJS.WriteStream>).columns || 80;
  }

  /** Colours text where that is wanted: on a terminal, unless `NO_COLOR` or `--no-color`; elsewhere with `FORCE_COLOR`. */
  paint(colour: boolean): Paint {
    if (!colour || !this.#wantsColour()) return (_style, text) => text;
    return (style, text) => styleText(style, text, { validateStream: false });
  }

  #wantsColour(): boolean {
    const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
    if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0';
    if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
    return this.isTerminal && TERM !== 'dumb';
  }
}
