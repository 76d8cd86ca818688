/**
 * Chat over encrypted TCP. In one terminal: `npm start -w examples/chat -- alice`. It prints the line for another one.
 *
 * Without arguments two of them talk in this process, and it is checked what each has seen.
 */
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { NodeId } from "@kad/core";
import { Chat, type ChatView } from "./chat.ts";
import { startSecureNode } from "./secure-node.ts";

/** Enough of an id to tell two people of the same name apart. */
const short = (id: NodeId): string => id.toHex().slice(0, 8); // slice: a string

const [name, seed] = process.argv.slice(2); // slice: an array
if (name === undefined) await demonstrate();
else await talk(name, seed);

async function talk(own: string, join: string | undefined): Promise<void> {
  const chat = new Chat(own, {
    onMet: (id, other) => console.log(`* ${other} (${short(id)}) is here`),
    onHeard: (id, other, text) => console.log(`${other} (${short(id)}): ${text}`),
    onDelivered: (_id, other, _text, failure) =>
      console.log(failure === undefined ? `  ✓ ${other}` : `  ✗ ${other}: ${failure}`),
  });
  const node = await startSecureNode("tcp://127.0.0.1:0", chat);
  console.log(`You are ${own} (${short(node.id)}). Others join with\n`);
  console.log(`  npm start -w examples/chat -- NAME ${node.url}\n`);
  if (join !== undefined) node.join(join);
  const terminal = createInterface({ input: process.stdin });
  terminal.on("line", (line) => chat.say(line));
  terminal.on("close", () => void node.close());
}

async function demonstrate(): Promise<void> {
  const seen: string[] = [];
  let wake: () => void = () => undefined;
  const viewOf = (viewer: string): ChatView => {
    const note = (text: string): void => {
      console.log(`${viewer}: ${text}`);
      seen.push(`${viewer}: ${text}`);
      wake();
    };
    return {
      onMet: (id, other) => note(`${other} (${short(id)}) is here`),
      onHeard: (id, other, text) => note(`${other} (${short(id)}) says ${text}`),
      onDelivered: (id, other, text, failure) =>
        note(
          `${text} ${failure === undefined ? "has reached" : `has not reached (${failure})`} ${other} (${short(id)})`,
        ),
    };
  };
  const until = async (line: string): Promise<void> => {
    while (!seen.includes(line))
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };

  const chats = { alice: new Chat("alice", viewOf("alice")), bob: new Chat("bob", viewOf("bob")) };
  const alice = await startSecureNode("tcp://127.0.0.1:0", chats.alice);
  const bob = await startSecureNode("tcp://127.0.0.1:0", chats.bob);
  bob.join(alice.url);
  await until(`alice: bob (${short(bob.id)}) is here`);
  await until(`bob: alice (${short(alice.id)}) is here`);
  chats.bob.say("hello");
  await until(`alice: bob (${short(bob.id)}) says hello`);
  await until(`bob: hello has reached alice (${short(alice.id)})`);
  chats.alice.say("hello yourself");
  await until(`bob: alice (${short(alice.id)}) says hello yourself`);
  await until(`alice: hello yourself has reached bob (${short(bob.id)})`);
  await Promise.all([alice.close(), bob.close()]);
  assert.notEqual(short(alice.id), short(bob.id));
  assert.equal(seen.filter((line) => line.includes("has not reached")).length, 0);
}
