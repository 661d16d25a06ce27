import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openWal, rawCodec, readWal } from 'rxwal';
import { Child } from '../disk/childProcess';
import { cutTail } from './cutTail';
import { Draw } from '../support/draw';
import type { Figures } from './figures';
import { Ledger } from './ledger';
import { drawMoment, watchFor, type Moment } from './moment';
import { hear, type Told } from './words';
import { MAX_RECORD_BYTES, type Fault } from './work';

export interface SoakedLogOptions {
  readonly number: number;
  readonly seed: number;
  readonly fault: Fault | undefined;
  /** How to run a writer, without its arguments. */
  readonly writer: readonly string[];
  readonly figures: Figures;
}

/** Every so manieth death is followed by an opening in this process; else the next writer, or the one after it, recovers the log. */
const OPENED_HERE = 0.25;
/** A writer that says nothing for so long has stopped. */
const SILENCE_MS = 60_000;

/** One directory, and the writers that live and die on it one after the other. */
export class SoakedLog {
  readonly dir: string;
  readonly #ledger: Ledger;
  readonly #draw: Draw;
  #life = 0;
  /** What the newest kill was aimed at. */
  #killed: Moment['name'] | undefined;

  constructor(
    workDir: string,
    private readonly options: SoakedLogOptions,
  ) {
    this.dir = join(workDir, `log-${options.number}`);
    mkdirSync(this.dir);
    this.#ledger = new Ledger(options.number);
    this.#draw = new Draw(`${options.seed} log ${options.number}`);
  }

  /** What was found to be wrong, in one line each. */
  get problems(): readonly string[] {
    return this.#ledger.findings.map(
      ({ what }) => `log ${this.options.number}, life ${this.#life} (killed: ${this.#killed}): ${what}`,
    );
  }

  /** A writer's life, its death, and what it leaves. */
  async liveAndDie(): Promise<void> {
    this.#life += 1;
    const moment = drawMoment(this.#draw);
    this.#killed = moment.name;
    const { number: log, seed, fault, writer, figures } = this.options;
    this.#ledger.begin(this.#life);
    const child = new Child([...writer, this.dir, JSON.stringify({ seed, log, life: this.#life, fault })]);
    await this.#killAt(moment, child);
    let last: Told | undefined;
    for (const line of child.lines) {
      const told = hear(line);
      if (!told) continue;
      this.#ledger.hear(told);
      figures.hear(told);
      last = told;
    }
    if (fault === 'cut-tail') cutTail(this.dir);
    await this.#verify();
    for (const finding of this.#ledger.findings) figures.count(finding);
    if (this.#ledger.findings.length === 0) figures.survived(moment.name, last?.word === 'opening');
  }

  async #killAt(moment: Moment, child: Child): Promise<void> {
    const hasCome = watchFor(moment);
    const watch = watchSilence(child);
    try {
      for (let told = hear(await child.next()); told === undefined || !hasCome(told);) told = hear(await child.next());
      if (moment.delayMs > 0) await wait(moment.delayMs);
    } catch {
      // It has ended already: that is found out below.
    }
    watch.stop();
    const { code, signal } = await child.kill();
    if (watch.wasSilent)
      this.#ledger.stopped(`the writer said nothing for ${SILENCE_MS / 1000} s, waiting for ${moment.name}`);
    else if (signal !== 'SIGKILL' || child.errors !== '') {
      this.#ledger.stopped(`the writer ended with ${signal ?? `code ${code}`} and said: ${child.errors.trim()}`);
    }
  }

  async #verify(): Promise<void> {
    const inspection = this.#ledger.inspect();
    try {
      const entries$ = readWal(this.dir, { codec: rawCodec(), maxRecordBytes: MAX_RECORD_BYTES });
      await entries$.forEach((entry) => inspection.see(entry));
    } catch (error) {
      inspection.failed(error);
      return;
    } finally {
      this.options.figures.verified += inspection.records;
    }
    const hasRecords = inspection.end();
    // Where something is wrong the directory is kept as it was found.
    if (this.#ledger.findings.length > 0) return;
    if (!hasRecords || this.#draw.next() < OPENED_HERE) await this.#open(hasRecords);
  }

  /** @param isSettled whether the reading has told where the log ends. */
  async #open(isSettled: boolean): Promise<void> {
    try {
      const wal = await openWal(this.dir, { codec: rawCodec(), maxRecordBytes: MAX_RECORD_BYTES });
      const { firstLsn, lastLsn } = wal.recovery;
      this.#ledger.hear({ word: 'opening', numbers: [] });
      if (!isSettled) this.#ledger.settle(firstLsn, lastLsn);
      this.#ledger.opened(wal.recovery);
      await wal.close();
      this.#ledger.hear({ word: 'closed', numbers: [] });
    } catch (error) {
      this.#ledger.refused(1, String(error));
    }
  }
}

/** Kills a child that has stopped for good, so that nobody waits for it any longer. */
function watchSilence(child: Child): { stop: () => void; readonly wasSilent: boolean } {
  let wasSilent = false;
  let heard = 0;
  const timer = setInterval(() => {
    wasSilent = child.lines.length === heard;
    heard = child.lines.length;
    if (wasSilent) void child.kill();
  }, SILENCE_MS);
  return {
    stop: () => clearInterval(timer),
    get wasSilent() {
      return wasSilent;
    },
  };
}
