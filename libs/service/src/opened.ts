/** What a start has opened, in that order. It is closed in the opposite order. */
export type Opened = (() => Promise<unknown> | void)[];

export async function closeAll(opened: Opened): Promise<void> {
  for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
}

/** Starts something that consists of several parts. When it fails, every part that was opened is closed. */
export async function opening<T>(start: (opened: Opened) => Promise<T>): Promise<T> {
  const opened: Opened = [];
  try {
    return await start(opened);
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}
