/** Whether uWebSockets.js has a binary for this Node; where it has none, its tests say so instead of trying `ws` twice. */
export const uwsRuns: boolean = await import("uWebSockets.js").then(
  () => true,
  () => false,
);

export const whyNoUws = `(skipped: uWebSockets.js has no binary for Node ${process.version})`;
