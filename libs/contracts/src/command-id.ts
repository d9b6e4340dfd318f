/**
 * Whether a command came from outside, so that its id must be remembered. The engine's own ids have a colon as their second
 * character.
 */
export function isOutsideCommand(commandId: string): boolean {
  return commandId.length > 0 && commandId.charCodeAt(1) !== 58;
}
