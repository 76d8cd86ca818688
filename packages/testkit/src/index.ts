/** `@kad/testkit`: the suites that every plug of a node must pass, and what they are made of. */
export type { CommandedMachine } from "./commanded-machine.ts";
export { type RunLoop, runEventLoop } from "./event-loop.ts";
export { ExpectationError, expectEqual, expectRefusal, expectThat } from "./expectations.ts";
export {
  HandLoop,
  type HandLoopOptions,
  type HandNode,
  type HandNodeOptions,
} from "./hand-loop.ts";
export { fromHex } from "./hex.ts";
export { intercept } from "./intercept.ts";
export type { Arrival, LinkMessage, LinkScript } from "./link.ts";
export { Link } from "./link.ts";
export type { LoopHarness, LoopNode, LoopNodeOptions } from "./loop-harness.ts";
export { MemoryNetwork, type MemoryNetworkOptions, MemoryTransport } from "./memory-network.ts";
export { Pair, type PairOptions, type PairSent, type PairSide } from "./pair.ts";
export { poisonByte, poisonedTransport } from "./poison.ts";
export type { Runner, TestBody } from "./runner.ts";
export { seededNode } from "./seeded-node.ts";
export { type SeededRandom, seededRandom } from "./seeded-random.ts";
export { sha256 } from "./sha256.ts";
export {
  type CaseInfo,
  type CaseResult,
  reportResults,
  type Suite,
  type SuiteOptions,
} from "./suite.ts";
export {
  type LoopAdapterSuiteOptions,
  loopAdapterCases,
  loopAdapterSuite,
  type MakeLoop,
} from "./suites/loop-adapter/index.ts";
export {
  type MachineSuiteOptions,
  type MakeMachine,
  machineCases,
  machineSuite,
} from "./suites/machine/index.ts";
export {
  type MakeRecordStore,
  type RecordStoreSuiteOptions,
  recordStoreCases,
  recordStoreSuite,
  type StoreCaps,
} from "./suites/record-store/index.ts";
export {
  type MakeSecurePeer,
  type SecureChannelSuiteOptions,
  type SecurePeer,
  type SecurePeerOptions,
  secureChannelCases,
  secureChannelSuite,
} from "./suites/secure-channel/index.ts";
export {
  type MakeTransport,
  type StalledListener,
  type TransportHarness,
  type TransportSuiteOptions,
  transportCases,
  transportSuite,
} from "./suites/transport/index.ts";
export { tinyId } from "./tiny-id.ts";
export { UnsentWatch } from "./unsent-watch.ts";
