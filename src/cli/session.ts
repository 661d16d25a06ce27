import type { Observable } from 'rxjs';
import { nodeStore } from '../store/nodeStore';
import type { SegmentStore } from '../store/segmentStore';
import { Output, type Paint } from './output';
import { Progress } from './progress';
import { readingStore } from './readingStore';

/** The options that every verb has. */
export interface CommonOptions {
  readonly json?: boolean;
  /** `false` for `--no-color`. */
  readonly color: boolean;
  readonly maxRecordBytes: number;
}

/** What a verb has to work with: where its results go, and how they are to look. */
export class Session {
  readonly out = new Output(process.stdout);
  readonly errors = new Output(process.stderr);
  readonly paint: Paint;
  readonly json: boolean;
  readonly maxRecordBytes: number;

  constructor({ json = false, color, maxRecordBytes }: CommonOptions) {
    this.json = json;
    this.maxRecordBytes = maxRecordBytes;
    this.paint = this.out.paint(color);
  }

  /** A log to look at: nothing can be changed through it, and it is read no faster than the results are taken. */
  readingStore(dir: string): SegmentStore {
    return readingStore(nodeStore(dir), (): Observable<unknown> => this.out.drained());
  }

  /** @param what begins the line of the bar. */
  progress(what: string): Progress {
    return new Progress(this.errors, what);
  }

  /** Something to know that is no result. */
  remark(text: string): void {
    this.errors.line(`rxwal: ${text}`);
  }
}
