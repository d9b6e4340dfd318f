/** Who asked for something, and why, as events have it. */
export function why(command: { readonly by?: string; readonly reason?: string }): { by?: string; reason?: string } {
  return {
    ...(command.reason ? { reason: command.reason } : {}),
    ...(command.by ? { by: command.by } : {}),
  };
}
