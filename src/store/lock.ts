import { tryLock, unlock } from 'fs-native-extensions';

/**
 * The operating system's lock on an open file (`fcntl` open-file-description locks on Linux, `flock` on macOS, `LockFileEx` on
 * Windows): held by the descriptor, so it dies with the process however that ends, refuses a second descriptor of the same
 * process too, and is not lost when another descriptor of the file is closed.
 *
 * @returns `false` where somebody else holds it.
 */
export function tryLockDescriptor(descriptor: number): boolean {
  return tryLock(descriptor);
}

/** Gives the lock of a descriptor back. Closing the descriptor does so too. */
export function unlockDescriptor(descriptor: number): void {
  unlock(descriptor);
}
