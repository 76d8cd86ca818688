/** Nothing that is committed may name the machine it was written on, or the registry it was installed from. */
import type { Finding } from "./finding.ts";

const homes = ["work", "home", "root", "Users"].join("|");
// Preceded by a word, a dot or a dash it is part of a URL or of a relative path.
const machinePath = new RegExp(String.raw`(?<![\w.~@/}-])/(?:${homes})/[\w.]`);

export function checkMachinePaths(file: string, text: string): Finding[] {
  return linesThat(file, text, (line) => {
    const match = machinePath.exec(line);
    return match ? `"${match[0]}…" is a path of one machine` : undefined;
  });
}

/** For package-lock.json and .npmrc. Links between workspaces are `resolved` too, but to a folder. */
export function checkRegistryHosts(file: string, text: string): Finding[] {
  return linesThat(file, text, (line) =>
    /"resolved":\s*"[^"]*:\/\/|^\s*(?:@[\w-]+:)?registry\s*=/.test(line)
      ? "a registry host: keep omit-lockfile-registry-resolved=true in .npmrc and write the lock anew"
      : undefined,
  );
}

function linesThat(file: string, text: string, judge: (line: string) => string | undefined): Finding[] {
  return text.split("\n").flatMap((line, index) => {
    const message = judge(line);
    return message === undefined ? [] : [{ file, line: index + 1, message }];
  });
}
