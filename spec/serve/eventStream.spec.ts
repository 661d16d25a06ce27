import { Writable } from 'node:stream';
import { Subject } from 'rxjs';
import { writeEvents } from '../../src/serve/eventStream';

/** A client that reads when it is told to. */
class Client extends Writable {
  readonly read: string[] = [];
  #waiting: (() => void)[] = [];

  constructor() {
    super({ highWaterMark: 4, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.#waiting.push(() => {
      this.read.push(chunk);
      done();
    });
  }

  /** Reads everything there is, and lets it know. */
  async take(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      next();
      await new Promise(setImmediate);
    }
  }
}

describe('writeEvents', () => {
  it('leaves out what a client has no room for, and goes on when it has read', async () => {
    const events$ = new Subject<string>();
    const client = new Client();
    writeEvents(events$, client);
    events$.next('a');
    await client.take();
    events$.next('full');
    events$.next('b');
    events$.next('c');
    expect(client.writableLength).toBe(4);
    await client.take();
    events$.next('e');
    await client.take();
    expect(client.read).toEqual(['a', 'full', 'e']);
  });

  it('sends a client away that does not read, and holds no more than one event for it', async () => {
    const events$ = new Subject<string>();
    const client = new Client();
    writeEvents(events$, client);
    events$.next('full');
    for (let missed = 1; missed <= 30; missed += 1) events$.next('more');
    expect([client.destroyed, client.writableLength]).toEqual([false, 4]);
    events$.next('more');
    expect(client.destroyed).toBe(true);
    await new Promise(setImmediate);
    expect(events$.observed).toBe(false);
  });

  it('ends the client with the events', async () => {
    const events$ = new Subject<string>();
    const client = new Client();
    writeEvents(events$, client);
    events$.next('a');
    events$.complete();
    await client.take();
    expect([client.read, client.writableFinished]).toEqual([['a'], true]);
  });

  it('sends it away where they fail', () => {
    const events$ = new Subject<string>();
    const client = new Client();
    writeEvents(events$, client);
    events$.error(new Error('no more'));
    expect(client.destroyed).toBe(true);
  });

  it.each(['destroy', 'error'])('lets go of the events when the client has gone: %s', async (how) => {
    const events$ = new Subject<string>();
    const client = new Client();
    writeEvents(events$, client);
    expect(events$.observed).toBe(true);
    client.destroy(how === 'error' ? new Error('reset') : undefined);
    await new Promise(setImmediate);
    expect(events$.observed).toBe(false);
    events$.next('nobody');
  });
});
