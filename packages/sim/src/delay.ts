/**
 * How long a packet travels: a base for each pair of places, which is the same on every trip, and jitter, which is not.
 */
import { Distribution } from "./distribution.ts";
import type { RandomStream } from "./random-stream.ts";

/** Where a host is: on a map whose unit is the longest side of the world, and behind a line of its own. */
export interface Place {
  /** 0 to 1. */
  readonly x: number;
  /** 0 to 1. */
  readonly y: number;
  /** One way between the host and its provider. */
  readonly accessMs: number;
}

export interface DelayModel {
  /** Where a new host is. */
  place(random: RandomStream): Place;
  /** One way without jitter; the same in both directions. */
  baseMs(from: Place, to: Place): number;
}

export interface InternetDelaysOptions {
  /** One way between two places next to each other, beside their lines; 2 by default. */
  readonly nearMs?: number;
  /** One way along a side of the map, beyond `nearMs`; 75 by default: 15,000 km of fibre. */
  readonly sideMs?: number;
  /** Of the lines; 1 to 15 ms by default, most of them short. */
  readonly accessMs?: Distribution;
}

const defaultAccessMs = new Distribution([
  [0, 1],
  [0.5, 4],
  [0.9, 10],
  [1, 15],
]);

/**
 * Hosts spread evenly over a square map, with delays by distance. By default round trips take 10 to 280 ms, 95 on average.
 */
export function internetDelays(options: InternetDelaysOptions = {}): DelayModel {
  const { nearMs = 2, sideMs = 75, accessMs = defaultAccessMs } = options;
  return {
    place(random) {
      return { x: random.fraction(), y: random.fraction(), accessMs: accessMs.draw(random) };
    },
    baseMs(from, to) {
      const x = from.x - to.x;
      const y = from.y - to.y;
      return nearMs + from.accessMs + to.accessMs + sideMs * Math.sqrt(x * x + y * y);
    },
  };
}

const nowhere: Place = Object.freeze({ x: 0, y: 0, accessMs: 0 });

/** The same between any two. */
export function constantDelay(ms: number): DelayModel {
  return { place: () => nowhere, baseMs: () => ms };
}

/** Mostly nothing, now and then a queue somewhere. */
export const usualJitterMs: Distribution = new Distribution([
  [0, 0],
  [0.5, 1],
  [0.9, 4],
  [0.99, 25],
  [1, 120],
]);
