/** The files of libs/client that are generated from the document, by path. */
export function clientFiles(document: object): Promise<Record<string, string>>;
