/**
 * All connections, by address and by peer.
 *
 * Two nodes that dial each other at once get two connections. Both sides use the one whose initiator has the lower id;
 * the other is retired, and closed once it is silent.
 */
import type { NodeId } from "@kad/core";
import type { Connection } from "./connection.ts";

export class ConnectionTable {
  readonly #id: NodeId;
  readonly #byKey = new Map<string, Connection>();
  /** The one that is used for a peer. */
  readonly #byPeer = new Map<string, Connection>();
  #answering = 0;

  constructor(id: NodeId) {
    this.#id = id;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Handshakes of others that are under way. */
  get answering(): number {
    return this.#answering;
  }

  all(): Iterable<Connection> {
    return this.#byKey.values();
  }

  at(addressKey: string): Connection | undefined {
    return this.#byKey.get(addressKey);
  }

  /** The open connection that is used for a peer. */
  of(peer: NodeId): Connection | undefined {
    return this.#byPeer.get(peer.key);
  }

  add(connection: Connection): void {
    this.#byKey.set(connection.key, connection);
    if (connection.stage.type === "answering") this.#answering++;
  }

  /** To be called before its stage changes. Returns the connection that is retired, if there are two now. */
  open(connection: Connection, peer: NodeId): Connection | undefined {
    if (connection.stage.type === "answering") this.#answering--;
    connection.peer = peer;
    const other = this.#byPeer.get(peer.key);
    const used = other === undefined ? connection : this.#preferred(connection, other, peer);
    this.#byPeer.set(peer.key, used);
    if (other === undefined) return undefined;
    const retired = used === connection ? other : connection;
    retired.isRetired = true;
    return retired;
  }

  remove(connection: Connection): void {
    if (this.#byKey.get(connection.key) === connection) this.#byKey.delete(connection.key);
    if (connection.stage.type === "answering") this.#answering--;
    const { peer } = connection;
    if (peer === undefined || this.#byPeer.get(peer.key) !== connection) return;
    this.#byPeer.delete(peer.key);
    for (const other of this.#byKey.values()) {
      if (other.peer?.equals(peer) !== true) continue;
      other.isRetired = false;
      this.#byPeer.set(peer.key, other);
      return;
    }
  }

  /** Of two from the same side, the newer one: the peer would not have dialled again if the older one were good. */
  #preferred(newer: Connection, older: Connection, peer: NodeId): Connection {
    if (newer.isInitiator === older.isInitiator) return newer;
    return newer.isInitiator === isLower(this.#id, peer) ? newer : older;
  }
}

/** Bytewise: ids are strings of char codes. */
function isLower(a: NodeId, b: NodeId): boolean {
  return a.key < b.key;
}
