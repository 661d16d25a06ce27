/* A second process for lock.spec.ts. Does what it is told on its standard input, and says what came of it as a line of JSON. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { WalLockedError } from '../../src/errors';
import { openWal } from '../../src/openWal';
import type { Wal } from '../../src/wal';

const dir = process.argv[2]!;
let wal: Wal<unknown> | undefined;

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

async function obey(command: string): Promise<void> {
  switch (command) {
    case 'open':
      try {
        wal = await openWal<unknown>(dir);
        say({ opened: process.pid });
      } catch (error) {
        if (!(error instanceof WalLockedError)) throw error;
        say({ refused: error.code, holder: error.holder?.pid });
      }
      break;
    case 'close':
      await wal?.close();
      say({ closed: process.pid });
      break;
    case 'spawn': {
      const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
      say({ spawned: child.pid });
      break;
    }
    default:
      throw new Error(`Nobody taught me to ${command}`);
  }
}

createInterface(process.stdin).on('line', (command) => void obey(command));
say({ ready: process.pid });
