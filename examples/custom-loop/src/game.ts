/**
 * The loop that is there already: a game with fixed time steps. Each frame takes as many steps as real time has passed, so the
 * simulation runs alike on every machine. It knows nothing of networks.
 */
const stepMs = 1_000 / 120;
/** A game that was away for longer goes on where it was, instead of running after the time that it missed. */
const maxStepsInFrame = 600;

export class Game {
  /** The game's own time: a whole number of steps. */
  nowMs = 0;
  readonly #onStep = new Set<() => void>();
  readonly #onFrame = new Set<() => void>();
  #frames: NodeJS.Timeout | undefined;
  #lastFrameMs = performance.now();

  /** Calls a system of the game in each step. The function returned takes it out again. */
  onStep(system: () => void): () => void {
    this.#onStep.add(system);
    return () => void this.#onStep.delete(system);
  }

  /** Calls what looks outside, at the screen, the keyboard or the network, once in each frame, after its steps. */
  onFrame(call: () => void): () => void {
    this.#onFrame.add(call);
    return () => void this.#onFrame.delete(call);
  }

  start(): void {
    this.#lastFrameMs = performance.now();
    this.#frames = setInterval(() => this.frame(performance.now() - this.#lastFrameMs), 4);
  }

  stop(): void {
    clearInterval(this.#frames);
  }

  /** As many steps as fit into the time that has passed; what is left over waits for the next frame. */
  frame(passedMs: number): void {
    const steps = Math.min(Math.floor(passedMs / stepMs), maxStepsInFrame);
    this.#lastFrameMs += steps * stepMs;
    for (let i = 0; i < steps; i++) {
      this.nowMs += stepMs;
      for (const system of [...this.#onStep]) system();
    }
    for (const call of [...this.#onFrame]) call();
  }
}
