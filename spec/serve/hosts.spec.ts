import { checkHost, inUrl, isLoopback, isOwnHost } from '../../src/serve/hosts';

describe('isOwnHost', () => {
  const loopback = { host: '127.0.0.1', port: 8080 };
  const open = { host: '0.0.0.0', port: 8080 };
  const named = { host: 'box.example', port: 80 };

  it.each([
    ['127.0.0.1:8080', loopback, true],
    ['localhost:8080', loopback, true],
    ['LocalHost:8080', loopback, true],
    ['[::1]:8080', loopback, true],
    ['127.0.0.1:8081', loopback, false],
    ['127.0.0.1', loopback, false],
    ['evil.example:8080', loopback, false],
    ['localhost.evil.example:8080', loopback, false],
    ['127.0.0.1.evil.example:8080', loopback, false],
    ['192.168.0.2:8080', loopback, false],
    ['[::1]evil:8080', loopback, false],
    ['evil@127.0.0.1:8080', loopback, false],
    ['', loopback, false],
    [undefined, loopback, false],
    ['192.168.0.2:8080', open, true],
    ['[fe80::1]:8080', open, true],
    ['localhost:8080', open, true],
    ['evil.example:8080', open, false],
    ['box.example', named, true],
    ['BOX.example:80', named, true],
    ['other.example', named, false],
  ])('%s at %j: %s', (header, place, own) => {
    expect(isOwnHost(header, place)).toBe(own);
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('%s is', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org'])('%s is not', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

it('inUrl puts an address of version 6 into brackets', () => {
  expect(['::1', '127.0.0.1', 'localhost'].map(inUrl)).toEqual(['[::1]', '127.0.0.1', 'localhost']);
});

describe('checkHost', () => {
  it.each(['', 'a b', 'http://x', 'x/y', '[::1]'])('refuses %j, naming the option', (host) => {
    expect(() => checkHost(host)).toThrow(new RangeError(`host must be an address or a name, not '${host}'`));
  });

  it('refuses what is no text', () => {
    expect(() => checkHost(7 as never)).toThrow(new TypeError('host must be an address or a name, not number'));
  });
});
