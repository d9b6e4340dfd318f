import { histogram } from '@batuta/observability';
import { Injectable } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { tap } from 'rxjs';
import type { Observable } from 'rxjs';

const duration = histogram(
  'batuta_config_request_seconds',
  'Time to answer a request to the config service, by handler and outcome (ok, refused or failed)',
  ['handler', 'outcome'],
);

function outcomeOf(reply: unknown): string {
  return typeof reply === 'object' && reply !== null && 'refused' in reply ? 'refused' : 'ok';
}

/** Measures every request. */
@Injectable()
export class RequestMetrics implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const handler = `${context.getClass().name}.${context.getHandler().name}`;
    const end = duration.startTimer({ handler });
    return next.handle().pipe(
      tap({
        next: (reply) => void end({ outcome: outcomeOf(reply) }),
        error: () => void end({ outcome: 'failed' }),
      }),
    );
  }
}
