import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import { GatewayModule } from './app.module.js';
import type { GatewayParts } from './app.module.js';
import { openApiDocument } from './document/openapi.js';

/** The API's OpenAPI document without a platform: Nest reads the routes but creates no services. */
export async function writtenOpenApi(): Promise<OpenAPIObject> {
  const app = await NestFactory.create(GatewayModule.register({} as GatewayParts), new FastifyAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  try {
    return openApiDocument(app);
  } finally {
    await app.close();
  }
}
