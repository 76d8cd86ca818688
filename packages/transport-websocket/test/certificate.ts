/** A certificate of its own for each run, made with the system's openssl; `undefined` where there is none. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly folder: string;
}

export function makeCertificate(): Certificate | undefined {
  const folder = mkdtempSync(join(tmpdir(), "kad-certificate-"));
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  args.push("-days", "1", "-subj", "/CN=localhost", "-addext", names, "-keyout", keyFile, "-out", certFile);
  try {
    execFileSync("openssl", args, { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const [cert, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
  return { cert, key, certFile, keyFile, folder };
}
