import {
  AsyncSubject,
  EMPTY,
  Observable,
  Subject,
  catchError,
  concat,
  concatMap,
  defer,
  ignoreElements,
  of,
  throwError,
} from 'rxjs';
import { afterFailure } from '../afterFailure';
import { HEADER_BYTES, encodeHeader, type NewSegmentHeader } from '../format/header';
import type { SegmentSink } from '../types';
import { segmentName, type SegmentFile, type SegmentStore } from './segmentStore';

export interface SegmentWriterOptions {
  /** Zeros to keep ahead of the write position, in bytes; 0 keeps none. */
  readonly preallocateBytes: number;
  /** No zeros are laid past this size. */
  readonly maxSegmentBytes: number;
}

/**
 * The one segment that is being written: where its next byte goes, and the zeros laid ahead of it.
 *
 * An fsync of a growing file waits for the file system's journal too, because its size changes; one of bytes that overwrite
 * zeros does not. So zeros are laid ahead, in the background, made durable, and trimmed when the segment is sealed. They read
 * as the end of the log.
 */
export class SegmentWriter implements SegmentSink {
  /** Where the zeros end; what lies between `position` and here can be overwritten in place. */
  #zerosEnd: number;
  /** Completes when the zeros that are being laid are there. */
  #laying: Observable<never> | undefined;
  #preallocate: boolean;
  /** Once the file is being closed: completes when it is. */
  #closing: Observable<void> | undefined;
  /**
   * Why nothing can be called durable any more: laying zeros failed. An fsync of theirs may have been the one that was told of a page
   * of ours that the disk does not have; the kernel tells each failure once for each descriptor.
   */
  #failure: { readonly error: unknown } | undefined;

  constructor(
    readonly sequence: number,
    private readonly file: SegmentFile,
    /** Where the next byte goes. */
    public position: number,
    private readonly options: SegmentWriterOptions,
  ) {
    this.#zerosEnd = position;
    this.#preallocate = options.preallocateBytes > 0;
    const { writeDurable } = file;
    if (writeDurable) {
      this.writeDurable = (pieces, bytes) => this.#append(bytes, false, (at) => writeDurable(pieces, at));
    }
  }

  /**
   * Makes a segment: create, write its header, fsync, fsync the directory. Only then is it emitted, so nothing is ever written to
   * a segment whose name a power cut could take.
   */
  static create(
    store: SegmentStore,
    sequence: number,
    header: NewSegmentHeader,
    options: SegmentWriterOptions,
  ): Observable<SegmentWriter> {
    return store.open(segmentName(sequence), 'create').pipe(
      concatMap((file) =>
        concat(file.write([encodeHeader(header)], 0), file.sync(), store.syncDir()).pipe(
          ignoreElements(),
          (made) => concat(made, of(new SegmentWriter(sequence, file, HEADER_BYTES, options))),
          afterFailure(() => file.close()),
        ),
      ),
    );
  }

  readonly writeDurable?: (pieces: readonly Uint8Array[], bytes: number) => Observable<void>;

  /** Hands the pieces to the operating system, behind everything written before. */
  write(pieces: readonly Uint8Array[], bytes: number, isLast = false): Observable<void> {
    return this.#append(bytes, isLast, (at) => this.file.write(pieces, at));
  }

  /** Makes everything written so far durable. Zeros on their way are waited for: their failure is ours. */
  sync(): Observable<void> {
    return this.#sound(concat(this.file.sync().pipe(ignoreElements()), this.#laid(), of(undefined)));
  }

  /** Trims the zeros, makes data and size durable, closes the file. */
  seal(): Observable<void> {
    return this.#sound(
      concat(
        this.#laid(),
        this.#sound(defer(() => this.file.truncate(this.position))).pipe(ignoreElements()),
        defer(() => this.file.sync()).pipe(ignoreElements()),
        // All of it is durable: a close that fails takes nothing away.
        this.abandon().pipe(catchError(() => of(undefined))),
      ),
    );
  }

  /** Closes the file as it is, once. Who comes second waits for that; a failure to close is told to the first. */
  abandon(): Observable<void> {
    return defer(() => {
      if (this.#closing) return this.#closing.pipe(catchError(() => EMPTY));
      const closed = new AsyncSubject<void>();
      this.#closing = closed;
      concat(this.#laid(), this.file.close()).subscribe(closed);
      return closed;
    });
  }

  /** Fails before and after the write where laying zeros has failed. Written out: every batch comes by here. */
  #append(bytes: number, isLast: boolean, write: (at: number) => Observable<void>): Observable<void> {
    return new Observable<void>((subscriber) => {
      if (this.#failure) {
        subscriber.error(this.#failure.error);
        return undefined;
      }
      const at = this.position;
      this.position += bytes;
      // Zeros on their way to the place we write to would come down on top of it.
      const clear = this.position > this.#zerosEnd ? this.#laying : undefined;
      const written = clear ? concat(clear, this.#sound(defer(() => write(at)))) : write(at);
      return written.subscribe({
        next: () => {
          if (this.#failure) subscriber.error(this.#failure.error);
          else subscriber.next();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          if (subscriber.closed) return;
          if (!isLast) this.#layZeros(bytes);
          subscriber.complete();
        },
      });
    });
  }

  /** Fails before and after `operation` where laying zeros has failed. */
  #sound<T>(operation: Observable<T>): Observable<T> {
    return defer(() => {
      const failed = this.#failed();
      return failed ?? operation.pipe(concatMap((result) => this.#failed() ?? of(result)));
    });
  }

  #failed(): Observable<never> | undefined {
    const failure = this.#failure;
    return failure && throwError(() => failure.error);
  }

  /**
   * Lays the next step of zeros, when little is left of the last and writes are small. A writer of large batches gains nothing
   * from zeros, since it pays the journal once a batch, and would write every byte twice.
   */
  #layZeros(lastWriteBytes: number): void {
    const { preallocateBytes, maxSegmentBytes } = this.options;
    if (!this.#preallocate || this.#laying || lastWriteBytes * 8 > preallocateBytes) return;
    if (this.#zerosEnd - this.position > preallocateBytes / 2) return;
    const from = Math.max(this.#zerosEnd, this.position);
    const bytes = Math.min(preallocateBytes, maxSegmentBytes - from);
    if (bytes <= 0) return;
    const laid = new Subject<never>();
    this.#laying = laid;
    const done = (zerosEnd: number): void => {
      this.#zerosEnd = zerosEnd;
      this.#laying = undefined;
      laid.complete();
    };
    // No space for zeros is no failure: the log goes on without them, and a disk that is full will tell the write that needs it. Of an
    // fsync no failure is forgiven. Not by `writeDurable`, though it would be one trip: its descriptor is the one that records are
    // acknowledged by, and the kernel might tell the zeros of a page of theirs.
    const written = defer(() => this.file.write([zeros(bytes)], from)).pipe(
      catchError((error: unknown) => {
        this.#preallocate = false;
        return isNoSpace(error) ? EMPTY : throwError(() => error);
      }),
    );
    const synced = defer(() => this.file.sync());
    concat(written, synced).subscribe({
      complete: () => {
        done(this.#preallocate ? from + bytes : this.position);
      },
      error: (error: unknown) => {
        this.#preallocate = false;
        this.#failure = { error };
        done(this.position);
      },
    });
  }

  #laid(): Observable<never> {
    return defer(() => this.#laying ?? EMPTY);
  }
}

/** As many as a step has by default. Fresh memory for each step would cost its page faults. */
const ZEROS = new Uint8Array(256 * 1024);

function zeros(bytes: number): Uint8Array {
  return bytes <= ZEROS.length ? ZEROS.subarray(0, bytes) : new Uint8Array(bytes);
}

/** The disk, the quota or the largest file size is used up. */
function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}
