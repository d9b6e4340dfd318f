/** A process of the simulation, as the servers around it see it. */
export interface SimulatedProcess {
  readonly name: string;
  readonly alive: boolean;
  /** Runs something in this process: at once, after its stall, or never. */
  deliver(callback: () => void): void;
  crash(why: string): void;
}
