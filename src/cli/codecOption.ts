import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cborCodec } from '../codec/cborCodec';
import { WalRecordError } from '../errors';
import { checkCodec } from '../options';
import { rawCodec } from '../codec/rawCodec';
import type { Codec } from '../types';
import { UsageError } from './failure';
import { base64, bytesOf, fromJson, toJson } from './jsonValue';

/** A codec, and how its values are written as JSON. */
export interface NamedCodec {
  readonly codec: Codec<unknown>;
  toJson(value: unknown): unknown;
  /** @throws UsageError for JSON that is no value of this codec. */
  fromJson(json: unknown): unknown;
}

export const CODEC_OPTION = '--codec <name>';
export const CODEC_HELP = 'cbor, raw (payloads as base64), json, or the path of a module that exports a codec';

/** One JSON text a record, in UTF-8. */
function jsonCodec(): Codec<unknown> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (payload) => {
      try {
        return JSON.parse(Buffer.from(payload).toString('utf8')) as unknown;
      } catch (cause) {
        throw new WalRecordError('The payload is no JSON', { cause });
      }
    },
  };
}

const itself = (value: unknown): unknown => value;

/** The codec that `--codec` names. */
export async function namedCodec(name: string): Promise<NamedCodec> {
  switch (name) {
    case 'cbor':
      return { codec: cborCodec(), toJson, fromJson };
    case 'json':
      return { codec: jsonCodec(), toJson: itself, fromJson: itself };
    case 'raw':
      return {
        codec: rawCodec(),
        toJson: (value) => base64(value as Uint8Array),
        fromJson: bytesOf,
      };
    default:
      return { codec: await codecOfModule(name), toJson, fromJson };
  }
}

async function codecOfModule(path: string): Promise<Codec<unknown>> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--codec: ${path} is not cbor, raw or json, and no module that can be loaded: ${why}`, {
      cause,
    });
  }
  const inner = module['default'] as Record<string, unknown> | undefined;
  for (const found of [module['codec'], inner?.['codec'], inner?.['default'], inner]) {
    try {
      if (found !== undefined) return checkCodec(found as Codec<unknown>);
    } catch {
      // Not this export; perhaps the next.
    }
  }
  throw new UsageError(`--codec: ${path} exports no codec, as its default or as "codec"`);
}
