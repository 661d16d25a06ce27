/** The contenders: whatever is in the folder. */
import { readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Contender } from '../contender';

const FOLDER = join(__dirname, '..', 'contenders');
/** A contender is TypeScript where this file is, and compiled where this file is. */
const ENDING = extname(__filename);

/** File names in `contenders/`, without their ending. */
export function contenderFiles(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => /(?<!\.d)\.[tj]s$/.test(file))
    .map((file) => file.slice(0, -3))
    .sort();
}

/** Loads one. Throws where the library that it needs is not there. */
export async function loadContender(file: string): Promise<Contender> {
  const module = (await import(join(FOLDER, `${file}${ENDING}`))) as { default: Contender | { default: Contender } };
  // An ES module that is a CommonJS one in disguise has its default export one level down.
  return 'default' in module.default ? module.default.default : module.default;
}
