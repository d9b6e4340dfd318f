/** Where the local stack reports what it does. */
export interface StackLogger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export const silentLogger: StackLogger = { info() {}, warn() {}, error() {} };
