/**
 * Files of a node: what `putFile` and `getFile` come to, in records.
 */
import type { RecordKey } from "@kad/core";
import type { ByteSource } from "./byte-source.ts";
import { FileDownload } from "./file-download.ts";
import type { FileNetwork } from "./file-network.ts";
import { type PutFileResult, putFile } from "./file-upload.ts";
import type { GetFileOptions, PutFileOptions } from "./options.ts";

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
