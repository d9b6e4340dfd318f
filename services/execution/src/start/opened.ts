/** What a start has opened, in that order. It is closed in the opposite order. */
export type Opened = (() => Promise<unknown> | void)[];

export async function closeAll(opened: Opened): Promise<void> {
  for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
}
