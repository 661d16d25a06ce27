/**
 * Faults of the log that are known and not mended yet, each with a case of its own in `attacks.spec.ts`. The fuzzer counts
 * them and goes on to look for others. An entry leaves this list with the fault.
 */
export const KNOWN_FAULTS: readonly { readonly fault: string; readonly shows: RegExp }[] = [];

/** The known fault behind a complaint. */
export function knownFault(complaint: string): string | undefined {
  return KNOWN_FAULTS.find(({ shows }) => shows.test(complaint))?.fault;
}
