/**
 * The load, a program of its own: keeps so many requests under way, by batches of system calls. `load.js PORT KIND FOR_MS`
 * prints what came back, as JSON.
 */
import { batch, Messages, RawSocket } from "./raw-socket.ts";
import { type Kind, requestCount, requests } from "./requests.ts";

/** As many as a kernel's buffer holds with room to spare: nothing is to be lost. */
const window = 192;
/** What has not come back by then was lost all the same. */
const lostAfterMs = 20;
const slotBytes = 1_280;

const [port = "", kind = "ping", forMs = "1000"] = process.argv.slice(2);
const socket = new RawSocket();
const questions = new Messages(socket.native, requestCount, 512);
for (const [slot, message] of requests(kind as Kind).entries()) questions.fill(slot, message, Number(port));
const answers = new Messages(socket.native, batch, slotBytes);

const untilMs = performance.now() + Number(forMs);
let next = 0;
let underWay = 0;
let answered = 0;
let lost = 0;
let bytes = 0;
let rounds = 0;
for (;;) {
  if ((++rounds & 63) === 0 && performance.now() > untilMs) break;
  const received = socket.receive(answers, 0);
  answered += received;
  underWay = Math.max(0, underWay - received);
  if (received > 0) bytes = answers.received(received - 1);
  const count = Math.min(batch, window - underWay, requestCount - next);
  if (count > 0) {
    const sent = Math.max(0, socket.send(questions, next, count));
    underWay += sent;
    next = (next + sent) % requestCount;
  }
  if (received > 0 || count > 0) continue;
  if (socket.wait(lostAfterMs)) continue;
  lost += underWay;
  underWay = 0;
}
process.stdout.write(JSON.stringify({ answered, lost, bytes }));
