export {
  memoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
  type StoreOperation,
  type StoreOperationKind,
  type StorePlan,
} from './memoryStore';
export { memoryWal, type MemoryWalOptions } from './memoryWal';
export { fault, marblePlan, type MarbleTimeline } from './marblePlan';
export { virtualTime } from './virtualTime';
export {
  PowerCutViolation,
  powerCuts,
  type PowerCutOptions,
  type PowerCutReport,
  type PowerCutTest,
} from './powerCuts';
export { simulatedDisk, type SimulatedDisk, type SimulatedDiskOptions } from './simulatedDisk';
export { describeEvent, type DiskEvent, type FileRange } from './diskEvent';
export { seededRandom, type Random } from './seededRandom';
