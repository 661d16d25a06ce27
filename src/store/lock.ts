import type * as Native from 'fs-native-extensions';

let native: typeof Native | undefined;

/**
 * Loaded when the first lock is taken, so that a platform it has no binary for (musl) can still read logs and run marble tests.
 */
function load(): typeof Native {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a static import could not be late; a dynamic one is a promise
  native ??= require('fs-native-extensions') as typeof Native;
  return native;
}

/**
 * The operating system's lock on an open file (`fcntl` open-file-description locks on Linux, `flock` on macOS, `LockFileEx` on
 * Windows): held by the descriptor, so it dies with the process however that ends, refuses a second descriptor of the same
 * process too, and is not lost when another descriptor of the file is closed.
 *
 * @returns `false` where somebody else holds it.
 */
export function tryLockDescriptor(descriptor: number): boolean {
  return load().tryLock(descriptor);
}

/** Gives the lock of a descriptor back. Closing the descriptor does so too. */
export function unlockDescriptor(descriptor: number): void {
  load().unlock(descriptor);
}
