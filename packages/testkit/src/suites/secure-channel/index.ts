/** What every secure channel must do. The contract: `secure-channel.ts` of core. */
import { StagedSuite, type Suite } from "../../suite.ts";
import { attackCases } from "./attack-cases.ts";
import { messageCases } from "./message-cases.ts";
import { sessionCases } from "./session-cases.ts";
import {
  ChannelStage,
  channelTraitsOf,
  type MakeSecurePeer,
  type SecureChannelSuiteOptions,
} from "./stage.ts";

export type { MakeSecurePeer, SecureChannelSuiteOptions, SecurePeer, SecurePeerOptions } from "./stage.ts";

export const secureChannelCases: Suite<MakeSecurePeer, SecureChannelSuiteOptions> = new StagedSuite({
  title: "a secure channel",
  cases: [...messageCases, ...attackCases, ...sessionCases],
  traitsOf: channelTraitsOf,
  setUp: (make: MakeSecurePeer, options: SecureChannelSuiteOptions) => new ChannelStage(make, options),
});

/** Registers the cases for a secure channel. See {@link Suite.register} for what is refused. */
export function secureChannelSuite(make: MakeSecurePeer, options: SecureChannelSuiteOptions = {}): void {
  secureChannelCases.register(make, options);
}
