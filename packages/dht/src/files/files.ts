/**
 * Files of a node: what `putFile` and `getFile` come to, in records.
 */
import type { RecordKey } from "@kad/core";
import type { Records } from "../records.ts";
import type { ByteSource } from "./byte-source.ts";
import { FileDownload } from "./file-download.ts";
import { type PutFileResult, putFile } from "./file-upload.ts";
import type { GetFileOptions, PutFileOptions } from "./options.ts";

/** What files need of their node. */
export interface FileNetwork {
  readonly records: Pick<Records, "get" | "putRecord">;
  /** Holders of a record, and how many of them must take it, where the caller says nothing. */
  readonly replicas: number;
  readonly minAccepted: number;
  /** Longest and default life of a record. */
  readonly valueLifetimeMs: number;
  /** Aborts when the node is closed. */
  readonly lifetime: AbortSignal;
}

export class Files {
  readonly #network: FileNetwork;

  constructor(network: FileNetwork) {
    this.#network = network;
  }

  async put(source: ByteSource, options: PutFileOptions): Promise<PutFileResult> {
    return await putFile(this.#network, source, options);
  }

  get(key: RecordKey, options: GetFileOptions): FileDownload {
    return new FileDownload(this.#network, key, options);
  }
}
