/** `udp: { sockets: "posix" }`: the system's own calls, under Node's loop. */
import { openNative, UnavailableError } from "@kad/native";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type CreateNodeOptions, createNode } from "../src/index.ts";
import { Loopback, plain, rejection } from "./support/network.ts";

const net = new Loopback(plain);
afterEach(async () => {
  await net.close();
  vi.resetModules();
});

const posix = { udp: { sockets: "posix" } } as const;

function missing(): string | undefined {
  try {
    openNative({ feature: "this test", instead: "", platforms: ["linux"], libraries: ["libc.so.6", null] });
    return undefined;
  } catch (error) {
    if (error instanceof UnavailableError) return error.message;
    throw error;
  }
}

const whyNot = missing();

describe.skipIf(whyNot !== undefined)(
  `a network on posix sockets${whyNot === undefined ? "" : `, skipped: ${whyNot}`}`,
  () => {
    it("keeps values and finds nodes, together with nodes on dgram", async () => {
      const first = await net.open(posix);
      const second = await net.open({ ...posix, bootstrap: first.addresses });
      const third = await net.open({ bootstrap: first.addresses });
      await second.set("greeting", "hello");
      expect([await first.getText("greeting"), await third.getText("greeting")]).toEqual(["hello", "hello"]);
      const { contacts } = await third.findNode(second.id);
      expect(contacts[0]?.id).toEqual(second.id);
    });

    it("serves clients, which listen nowhere", async () => {
      const first = await net.open(posix);
      const client = await createNode({ ...posix, bootstrap: first.addresses, security: "none" });
      await client.set("name", "value");
      expect(await first.getText("name")).toBe("value");
      await client.close();
    });

    it("in use already rejects with the address", async () => {
      const first = await net.open(posix);
      const error = await rejection(createNode({ ...posix, listen: first.addresses, security: "none" }));
      expect(error).toMatchObject({ code: "addressInUse", url: first.addresses[0] });
    });
  },
);

it("other sockets are refused, and those that there are named", async () => {
  const udp = { sockets: "raw" } as unknown as NonNullable<CreateNodeOptions["udp"]>;
  const error = await rejection(createNode({ listen: "udp://127.0.0.1:0", udp, security: "none" }));
  expect(error).toMatchObject({
    code: "invalidOption",
    message: 'udp.sockets: "raw"; allowed is "dgram" or "posix"',
  });
});

it("a platform without these calls is told what to use instead", async () => {
  vi.resetModules();
  const { platform } = process;
  Object.defineProperty(process, "platform", { value: "haiku" });
  try {
    const { createNode: fresh } = await import("../src/index.ts");
    const error = await rejection(fresh({ listen: "udp://127.0.0.1:0", ...posix, security: "none" }));
    expect(error).toMatchObject({ code: "unsupportedPlatform" });
    expect((error as Error).message).toMatch(/runs on linux and darwin; this is haiku .*Use udp\(\)/);
  } finally {
    Object.defineProperty(process, "platform", { value: platform });
  }
});
