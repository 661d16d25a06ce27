/*
 * The program that is killed: opens a log and works on it, from one session to the next, without end. Its last words are an ack,
 * or whatever it was about to do.
 */
import { Draw } from '../support/draw';
import { Session, type Done } from './session';
import { drawWork, type Life } from './work';

// Ctrl-C reaches every process of a terminal. The supervisor ends the writers.
process.on('SIGINT', () => undefined);

async function main(dir: string, life: Life): Promise<void> {
  const draw = new Draw(`${life.seed} log ${life.log} life ${life.life}`);
  const done: Done = { appended: 0, intended: 0 };
  for (;;) {
    const session = await Session.open(dir, { life, work: drawWork(draw), draw, done });
    await session.run();
  }
}

if (require.main === module) void main(process.argv[2]!, JSON.parse(process.argv[3]!) as Life);
