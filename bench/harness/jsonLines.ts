/** Orders as lines of JSON: what somebody writes who has no library for it. */
import { open } from 'node:fs/promises';
import type { Order } from '../order';

export function toJsonLines(orders: readonly Order[]): string {
  let lines = '';
  for (const order of orders) lines += JSON.stringify(order) + '\n';
  return lines;
}

const BLOCK_BYTES = 1 << 20;
const NEWLINE = 10;

/** Reads in blocks of 1 MiB; each block up to its last newline becomes one string, which is faster than `readline`. */
export async function readJsonLines(path: string, take: (order: Order) => void): Promise<void> {
  const file = await open(path, 'r');
  try {
    let block = Buffer.allocUnsafe(BLOCK_BYTES);
    let kept = 0;
    for (;;) {
      const { bytesRead } = await file.read(block, kept, block.length - kept, null);
      if (bytesRead === 0) return;
      const filled = kept + bytesRead;
      const end = block.lastIndexOf(NEWLINE, filled - 1) + 1;
      takeLines(block.toString('utf8', 0, end), take);
      // A line longer than the block: a larger block.
      const next = end === 0 && filled === block.length ? Buffer.allocUnsafe(block.length * 2) : block;
      block.copy(next, 0, end, filled);
      block = next;
      kept = filled - end;
    }
  } finally {
    await file.close();
  }
}

function takeLines(text: string, take: (order: Order) => void): void {
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start);
    take(JSON.parse(text.slice(start, newline)) as Order);
    start = newline + 1;
  }
}
