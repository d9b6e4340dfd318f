import { describe, expect, it } from '@jest/globals';
import { encoded, signed } from './s3-signature.js';

/** The worked examples of "Authenticating Requests: Using the Authorization Header" in the Amazon S3 API reference. */
const CREDENTIALS = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const THEN = Date.UTC(2013, 4, 24);
const HOST = 'https://examplebucket.s3.amazonaws.com';
const signatureOf = (request: Parameters<typeof signed>[0]): string =>
  signed(request, CREDENTIALS, 'us-east-1', THEN)['authorization'] ?? '';

describe('a signature of S3', () => {
  it('of an object that is read', () => {
    const request = { method: 'GET', url: new URL(`${HOST}/test.txt`), headers: { range: 'bytes=0-9' } } as const;
    expect(signatureOf(request)).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
        'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
        'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
  });

  it('of an object that is written, under a name that must be encoded', () => {
    const url = new URL(`${HOST}/${encoded('test$file.text')}`);
    const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
    const body = Buffer.from('Welcome to Amazon S3.');
    expect(signatureOf({ method: 'PUT', url, headers, body })).toContain(
      'Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
  });

  it('of a list', () => {
    expect(signatureOf({ method: 'GET', url: new URL(`${HOST}/?max-keys=2&prefix=J`) })).toContain(
      'Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    );
  });
});
