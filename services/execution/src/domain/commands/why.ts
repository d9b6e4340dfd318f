/** Who requested something and why, in the form of events. */
export function why(command: { readonly by?: string; readonly reason?: string }): { by?: string; reason?: string } {
  return {
    ...(command.reason ? { reason: command.reason } : {}),
    ...(command.by ? { by: command.by } : {}),
  };
}
