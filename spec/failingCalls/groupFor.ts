import type { Runner } from './runner';

const IN_CI = Boolean(process.env['CI']);

/** `describe`, for specs that need the shim. Where it cannot be built they say why: in CI they fail, elsewhere they are skipped. */
export function groupFor({ shim }: Runner): (title: string, body: () => void) => void {
  return (title, body) => {
    const missing = 'missing' in shim ? shim.missing : undefined;
    const group = missing === undefined || IN_CI ? describe : describe.skip;
    group(missing === undefined ? title : `${title} (${missing})`, body);
  };
}
