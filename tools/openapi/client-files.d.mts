/** The files of libs/client that are made from the document, by their paths. */
export function clientFiles(document: object): Promise<Record<string, string>>;
