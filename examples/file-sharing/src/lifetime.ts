/** How a node that serves others ends: with its process. */
import type { DhtNode } from "@kad/dht";

/**
 * Closes the node when somebody ends this process, or when the one that started it is gone. What the node has announced
 * is withdrawn first, so that nobody asks it in vain.
 */
export function closeAtEnd(node: DhtNode): void {
  const close = (): void => void node.close();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, close);
  process.once("disconnect", close);
  process.channel?.unref(); // waiting for that alone keeps no process alive
}

/** The address that others give as `--bootstrap`. */
export function addressOf(node: DhtNode): string {
  return node.addresses[0] ?? "";
}
