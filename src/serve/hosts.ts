import { isIP } from 'node:net';

/** Whether an address or name is this machine's alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** An address as it stands in a URL. */
export function inUrl(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

/**
 * Whether a request's `Host` header names the server. A page of another site whose name has been made to lead here (DNS rebinding) is sent with that
 * name, and must not read the log.
 *
 * On loopback: `localhost` and loopback addresses. Elsewhere also any other address, which no name can stand for, and the host that was asked for.
 *
 * @param header `127.0.0.1:8080`, with the port that the server has.
 */
export function isOwnHost(
  header: string | undefined,
  { host, port }: { readonly host: string; readonly port: number },
): boolean {
  const [, bracketed, plain, stated] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(header ?? '') ?? [];
  const name = (bracketed ?? plain)?.toLowerCase();
  if (name === undefined || Number(stated ?? 80) !== port) return false;
  if (isLoopback(name) || name === host.toLowerCase()) return true;
  return !isLoopback(host) && isIP(name) !== 0;
}

/** @throws TypeError or RangeError, naming the option, where it is no address or name. An empty one would mean all addresses. */
export function checkHost(host: string): string {
  if (typeof host !== 'string') throw new TypeError(`host must be an address or a name, not ${typeof host}`);
  if (!/^[\w.:-]+$/.test(host)) throw new RangeError(`host must be an address or a name, not '${host}'`);
  return host;
}

/** What is said where a page is not for this machine alone. */
export function seenByOthers(url: string, host: string): string {
  return `the page at ${url} can be seen by others: ${host} is not loopback, and there is no password`;
}
