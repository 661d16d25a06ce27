import { readlinkSync } from 'node:fs';

/** One system call that the shim has seen. */
export interface SeenCall {
  /** `write`, `sync`, … : see shim.c. */
  readonly kind: string;
  /** Name of its file. */
  readonly file: string;
  /** Tells two descriptors of one file apart; 0 where the call takes a name. */
  readonly descriptor: number;
  /** What the program was about, in which of its sessions. */
  readonly phase: string;
  readonly session: number;
  /** What was done to it; undefined where nothing was. */
  readonly fault: string | undefined;
}

/** Says something to the shim, which answers as a link would. Without the shim there is no such link, and this throws. */
function tell(command: string): string {
  return readlinkSync(`/rxwal-shim/${command}`);
}

/** Forgets what was seen; from now on the calls that the rules name fail. See shim.c for the rules; none: no call does. */
export function arm(rules: string): void {
  const answer = tell(`arm/${rules}`);
  if (answer !== 'armed') throw new Error(answer);
}

/** Says what the program is about to do. */
export function enterPhase(name: string): void {
  tell(`phase/${name}`);
}

/** Everything seen since the last {@link arm}. */
export function seenCalls(): readonly SeenCall[] {
  const calls: SeenCall[] = [];
  for (;;) {
    const lines = tell(`trace/${calls.length}`).split('\n').slice(0, -1);
    if (lines.length === 0) return calls;
    for (const line of lines) {
      const [kind = '', file = '', descriptor = '', phase = '', fault = ''] = line.split(' ');
      const [about = '', session] = phase.split('#');
      calls.push({
        kind,
        file,
        descriptor: Number(descriptor),
        phase: about,
        session: Number(session),
        fault: fault === '-' ? undefined : fault,
      });
    }
  }
}

/** Descriptors that are open on the log's files. */
export function openDescriptors(): number {
  return Number(tell('open'));
}

/** Calls that are being held back. */
export function heldCalls(): number {
  return Number(tell('held'));
}

/** Lets them go on. */
export function releaseCalls(): void {
  tell('release');
}
