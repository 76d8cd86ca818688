/** What the page shows of its node. `?seed=ws://…` says whom to join, `?name=…` who speaks. */
import { type ChatAnswer, type ChatQuestion, chatProtocol, decode, encode } from "./chat-room.ts";
import { PageNode } from "./page-node.ts";

const parameters = new URLSearchParams(location.search);
const seed = parameters.get("seed") ?? "";
const name = parameters.get("name") ?? "somebody";

const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;

/** Calls back with what was typed, and shows what comes of it. */
function onSubmit(id: string, field: string, act: (text: string) => Promise<void>): void {
  const form = element(id) as HTMLFormElement;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = form.elements.namedItem(field) as HTMLInputElement;
    act(input.value.trim()).catch(showFailure);
  });
}

function showFailure(error: unknown): void {
  element("status").textContent = `failed: ${error instanceof Error ? error.message : String(error)}`;
}

async function main(): Promise<void> {
  const node = await PageNode.start();
  const room = await node.join(seed);
  element("status").textContent = `joined as ${node.id.slice(0, 8)}, ${node.contacts} contacts`;

  onSubmit("put", "value", async (text) => {
    element("key").textContent = "storing …";
    element("key").textContent = await node.put(text);
  });

  onSubmit("get", "key", async (key) => {
    element("value").textContent = "asking …";
    element("value").textContent = (await node.get(key)) ?? "nobody has it";
  });

  let heard = 0;
  const ask = async (question: ChatQuestion): Promise<readonly string[]> => {
    const reply = await node.ask(room, chatProtocol, encode(question));
    return reply === undefined ? [] : (decode(reply) as ChatAnswer).lines;
  };
  onSubmit("say", "text", async (text) => {
    // A count that nobody has reached: all that this one wants is to be heard.
    await ask({ say: { name, text }, since: -1 });
  });
  for (;;) {
    for (const line of await ask({ since: heard })) {
      heard++;
      const item = document.createElement("li");
      item.textContent = line;
      element("chat").append(item);
    }
  }
}

main().catch(showFailure);
