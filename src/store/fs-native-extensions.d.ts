/** The part of fs-native-extensions that `lock.ts` uses; the package has no types of its own. */
declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on a whole open file. `false` where another descriptor holds one. */
  export function tryLock(fd: number): boolean;
  export function unlock(fd: number): void;
}
