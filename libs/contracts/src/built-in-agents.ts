// Written by `npm run agents` from what the agents of the step-runner say of themselves.
import type { JsonObject } from './common.js';

/** Agents that every step-runner of the pool `default` serves. */
export const BUILT_IN_AGENTS = [
  'status_handler',
  'log_analyzer',
  'rag_handler',
  'synthesizer',
  'http',
  'echo',
  'delay',
  'fail',
  'ask_model',
  'mcp_tool',
  'compare_meaning',
  'general_handler',
  'troubleshoot_handler',
] as const;
export type BuiltInAgent = (typeof BUILT_IN_AGENTS)[number];

export interface AgentDescription {
  readonly name: BuiltInAgent;
  readonly description: string;
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
}

export const BUILT_IN_AGENT_DESCRIPTIONS: readonly AgentDescription[] = [
  {
    name: 'status_handler',
    description:
      'State of services (an HTTP endpoint each) and of jobs (the newest execution of a config). A service that is down is a finding, not a failure.',
    inputSchema: {
      properties: {
        services: {
          type: 'array',
          items: {
            type: 'object',
            required: ['url'],
            properties: { name: { type: 'string', maxLength: 200 }, url: { type: 'string', maxLength: 8000 } },
          },
          description: '`[{"name": "checkout", "url": "https://checkout.example/health"}]`',
        },
        url: { type: 'string', maxLength: 8000, description: 'of one service' },
        name: { maxLength: 200, description: 'a text: of the service at `url`; default: its URL' },
        jobs: {
          type: 'array',
          items: {
            type: ['object', 'string'],
            properties: {
              config_name: { type: 'string', maxLength: 255 },
              config_id: { type: 'string', maxLength: 255 },
              execution_id: { type: 'string', maxLength: 255 },
            },
          },
          description: 'config names, or `[{"config_name" | "config_id" | "execution_id": "…"}]`',
        },
        job: { type: 'string', maxLength: 255, description: 'one config name' },
        job_name: { maxLength: 255, description: 'a text: another name of `job`' },
        check_timeout_ms: {
          type: 'number',
          minimum: 1,
          maximum: 60000,
          default: 4000,
          description: 'milliseconds for each service',
        },
      },
    },
    outputSchema: {
      type: 'object',
      properties: {
        status: { enum: ['ok', 'degraded', 'down'], description: 'of all together' },
        checked_at: { type: 'string', format: 'date-time' },
        counts: { type: 'object', description: '`services`, `down`, `degraded`, `jobs`, `jobs_failed`' },
        services: {
          type: 'array',
          items: { type: 'object' },
          description: '`name`, `url`, `status`, `code`, `latency_ms`, `body`, `error`',
        },
        jobs: { type: 'array', items: { type: 'object' }, description: '`name`, `status`, and what its execution has' },
      },
    },
  },
  {
    name: 'log_analyzer',
    description:
      'Says what is in a log: levels, rates, patterns, first and last errors. Exactly one of `file`, `text` and `lines` is given.',
    inputSchema: {
      properties: {
        file: { type: 'string', maxLength: 4096, description: "a file below one of the tenant's directories" },
        text: { type: 'string', maxLength: 8388608, description: 'the log itself' },
        lines: { type: 'array', items: { type: 'string' }, description: 'the log, as a list of texts' },
        logs: { maxLength: 8388608, description: 'a text: another name of `text`' },
        last_bytes: {
          type: 'integer',
          minimum: 1,
          maximum: 9007199254740991,
          description:
            'only the end of a file; of a compressed one, of the text in it. A line that begins before it is left out',
        },
        max_patterns: {
          type: 'integer',
          minimum: 1,
          maximum: 200,
          default: 20,
          description: 'patterns that are shown',
        },
        max_errors: {
          type: 'integer',
          minimum: 0,
          maximum: 50,
          default: 5,
          description: 'first and last errors that are shown',
        },
      },
    },
    outputSchema: {
      type: 'object',
      properties: {
        source: { type: 'string', description: 'the file, or `text` or `lines`' },
        bytes: { type: 'integer', description: 'read of a file' },
        lines: { type: 'integer', description: 'of the text' },
        entries: { type: 'integer', description: 'in the lines' },
        continuation_lines: { type: 'integer', description: 'that belong to the entry before, such as a stack trace' },
        levels: {
          type: 'object',
          description: 'entries of each level: `fatal`, `error`, `warn`, `info`, `debug`, `trace`, `unknown`',
        },
        error_rate: { type: 'number', description: 'the share of `fatal` and `error`' },
        time_range: { type: ['object', 'null'], description: '`from`, `to`, `seconds`; null in a log without times' },
        rate: {
          type: ['object', 'null'],
          description:
            '`lines_per_minute`, `bucket_seconds`, `buckets` (`from`, `lines`, `errors`), `spikes` (the same, and `times_the_median`). A log of up to three minutes is counted by seconds, a longer one by minutes',
        },
        patterns: {
          type: 'array',
          items: { type: 'object' },
          description:
            '`pattern`, `count`, `share`, `level` (what most of its entries have), `levels` (how many have which), `example`, `first_line`, `last_line`',
        },
        pattern_count: { type: 'integer', description: 'all patterns' },
        lines_in_other_patterns: { type: 'integer', description: 'entries of those that are not shown' },
        first_errors: { type: 'array', items: { type: 'object' }, description: '`line`, `time`, `level`, `message`' },
        last_errors: { type: 'array', items: { type: 'object' }, description: 'the same' },
      },
    },
  },
  {
    name: 'rag_handler',
    description: "Searches the tenant's knowledge base, and returns the best passages with their sources.",
    inputSchema: {
      properties: {
        query: { type: 'string', maxLength: 2000, description: 'what to search for, as in a web search' },
        question: { maxLength: 2000, description: 'a text: another name of `query`' },
        limit: { type: 'integer', minimum: 1, maximum: 50, default: 5, description: 'passages at most' },
      },
    },
    outputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string' },
        count: { type: 'integer', description: 'of the passages' },
        passages: {
          type: 'array',
          items: { type: 'object' },
          description:
            '`source`, `title`, `headings`, `text`, `highlight` with hits between `**`, `rank`, `passage`, `first_line`, `last_line`',
        },
        sources: { type: 'array', items: { type: 'object' }, description: '`source` and `title` of each document' },
      },
    },
  },
  {
    name: 'synthesizer',
    description: 'Puts the outputs of the steps before it together: a report for people and a summary for machines.',
    inputSchema: {
      properties: {
        template: {
          type: ['string', 'object', 'array'],
          maxLength: 100000,
          description: 'Liquid over the fields of the input; default: a report of an incident',
        },
        title: {
          type: ['string', 'object', 'array'],
          maxLength: 500,
          description: 'heads the report; default: the name of the execution',
        },
      },
    },
    outputSchema: {
      type: 'object',
      properties: {
        report: { type: 'string', description: 'Markdown' },
        summary: {
          type: 'object',
          description:
            '`status` (`ok`, `degraded` or `critical`), `findings`, `counts`, `sources`, and `missing`: the inputs that were null',
        },
      },
    },
  },
  {
    name: 'http',
    description: 'Makes one HTTP call. Fails when the code of the answer is not an expected one.',
    inputSchema: {
      type: 'object',
      required: ['url'],
      properties: {
        url: { type: 'string', maxLength: 8000, description: 'http or https' },
        method: {
          type: 'string',
          maxLength: 16,
          default: 'GET',
          description: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
        },
        headers: { type: 'object', description: 'texts by name; what is null is left out' },
        query: {
          type: 'object',
          description: 'what is null is left out. It is added to what the URL has, which stays as it is written',
        },
        body: {
          description:
            'a text, sent as `text/plain`; anything else, sent as JSON, or as a form where the header `Content-Type` is `application/x-www-form-urlencoded`',
        },
        expected_codes: { type: 'array', default: ['2xx'], description: 'such as `[200, "2xx"]`' },
        max_bytes: { type: 'integer', minimum: 1, maximum: 921600, default: 262144, description: 'of the answer' },
        max_redirects: { type: 'integer', minimum: 0, maximum: 20, default: 5, description: 'that are followed' },
      },
    },
    outputSchema: {
      type: 'object',
      properties: {
        status: { type: 'integer', description: 'of the answer' },
        url: { type: 'string', description: 'after redirects' },
        redirects: { type: 'integer' },
        latency_ms: { type: 'number' },
        headers: {
          type: 'object',
          description:
            'names in lower case; one that came several times has its values with commas between, and `set-cookie` is a list',
        },
        body: { description: 'JSON, text, `{"base64": "…"}` or null' },
      },
    },
  },
  { name: 'echo', description: 'Returns its input. For tests.' },
  {
    name: 'delay',
    description: 'Waits, and returns its input. For tests.',
    inputSchema: {
      properties: {
        ms: { type: 'number', minimum: 0, maximum: 86400000, default: 1000, description: 'milliseconds' },
        heartbeat_every_ms: {
          type: 'number',
          minimum: 10,
          maximum: 86400000,
          description: 'milliseconds between reports of progress; without it there are none',
        },
      },
    },
  },
  {
    name: 'fail',
    description: 'Fails as its input says. For tests. `_tokens` and `_cost` of the input are told as spent.',
    inputSchema: {
      properties: {
        code: { type: 'string', maxLength: 64, default: 'failed_on_request', description: 'of the failure' },
        message: { type: 'string', maxLength: 2000, description: 'of the failure' },
        retryable: { type: 'boolean', default: true, description: 'whether another attempt may help' },
        times: {
          type: 'integer',
          minimum: 0,
          maximum: 1000000,
          description: 'only the first so many attempts fail, and the next returns the input',
        },
      },
    },
  },
  {
    name: 'ask_model',
    description:
      "Asks one of the tenant's models once. What the model wants called is in the output; nothing is called.",
    inputSchema: {
      type: 'object',
      required: ['model'],
      properties: {
        model: { type: 'string', maxLength: 64, description: 'name of the model' },
        system: { type: 'string', maxLength: 4000000, description: 'a text' },
        prompt: { description: 'a text; anything else is sent as JSON' },
        messages: {
          type: 'array',
          description:
            'instead of `prompt`: `{"role": "system" | "user" | "assistant" | "tool", "content"}`; an assistant\'s may have `tool_calls: [{"id", "name", "input"}]`, and a tool\'s has `tool_call_id` and `name`',
        },
        output_schema: {
          type: 'object',
          description: 'JSON Schema that the answer has to fit. The provider is told, and the answer is checked',
        },
        tools: {
          type: 'array',
          maxItems: 64,
          description:
            '`[{"name", "agent", "config", "description", "input_schema"}]`: what may be called. Description and schema of a registered `agent`, or of a `config` in its place, need not be repeated',
        },
        tool_choice: {
          type: 'string',
          maxLength: 64,
          description: '`auto`, `none`, `required`, or the name of a tool',
        },
        max_output_tokens: {
          type: 'integer',
          minimum: 1,
          maximum: 100000000,
          description: "of the answer; default: the model's",
        },
        temperature: { type: 'number', minimum: 0, maximum: 2, description: "default: the model's" },
        on_invalid: {
          enum: ['fail', 'report'],
          default: 'fail',
          description:
            'an answer that does not fit `output_schema`: `fail` (another attempt may answer better) or `report` it as `problem`',
        },
        stream: { type: 'boolean', description: "whether the answer is shown as it comes; default: the model's" },
        budget: { type: 'object', description: '`tokens` and `cost` that the call may spend at most' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['text', 'finish_reason', 'model', 'price'],
      properties: {
        text: { type: 'string', description: 'the answer' },
        output: { description: 'the answer as JSON, when `output_schema` is given' },
        problem: { type: 'string', description: 'why the answer does not fit `output_schema`' },
        tool_calls: {
          type: 'array',
          items: { type: 'object' },
          description:
            'what the model wants called: `id`, `name`, `input`, and `problem` when the tool is not there or its input does not fit',
        },
        finish_reason: { type: 'string', description: 'why the answer ended' },
        model: {
          type: 'object',
          description: '`name`, `provider`, the `id` that answered, and the `revision` of the model',
        },
        price: { description: 'by which price the call was settled; null without one' },
      },
    },
  },
  {
    name: 'mcp_tool',
    description: 'Calls a tool of an MCP server. An admin must have consented to the tool.',
    inputSchema: {
      type: 'object',
      required: ['server', 'tool'],
      properties: {
        server: { type: 'string', maxLength: 64, description: 'name of the MCP server' },
        tool: { type: 'string', maxLength: 200, description: 'name of the tool at the server' },
        arguments: { type: 'object', description: 'what the tool is called with' },
        max_bytes: { type: 'integer', minimum: 1, maximum: 921600, default: 262144, description: 'of the result' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['server', 'tool', 'content'],
      properties: {
        server: { type: 'string' },
        tool: { type: 'string' },
        content: {
          type: 'array',
          items: { type: 'object' },
          description: 'texts, images, sounds, resources and links',
        },
        structured: { description: 'the structured result, checked by the schema of the tool' },
        text: { type: 'string', description: 'the texts of `content`, with empty lines between' },
      },
    },
  },
  {
    name: 'compare_meaning',
    description: "Tells how similar in meaning texts are to another text, by embeddings of one of the tenant's models.",
    inputSchema: {
      type: 'object',
      required: ['model', 'text', 'candidates'],
      properties: {
        model: { type: 'string', minLength: 1, description: 'name of a model that makes embeddings' },
        text: { type: 'string', minLength: 1, description: 'what is compared' },
        candidates: {
          type: 'array',
          minItems: 1,
          maxItems: 50,
          items: {
            type: 'object',
            required: ['name', 'texts'],
            properties: {
              name: { type: 'string' },
              texts: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
            },
          },
          description: 'with what: `[{"name", "texts"}]`; the most similar of its texts counts for a candidate',
        },
        budget: { type: 'object', description: '`tokens` and `cost` that the call may spend at most' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['scores', 'model', 'price'],
      properties: {
        scores: {
          type: 'array',
          items: { type: 'object' },
          description: 'how similar each candidate is, the most similar first: `name`, and `score` from 0 to 1',
        },
        model: { type: 'object', description: '`name`, `provider`, `id` and `revision` of the model' },
        price: { description: 'by which price the call was settled; null without one' },
      },
    },
  },
  {
    name: 'general_handler',
    description: 'Answers a message with the knowledge base, and by a model where one is named.',
    inputSchema: {
      properties: {
        message: { description: 'a text: what is answered' },
        messages: {
          type: 'array',
          items: { type: 'object' },
          description: 'the thread before it: `{"role": "user" | "assistant", "content"}`',
        },
        model: {
          type: 'string',
          description: 'name of the model that answers; without it the answer is what the knowledge base has',
        },
        instructions: { type: 'string', maxLength: 10000, description: 'what the model is told besides' },
        knowledge: { type: 'boolean', default: true, description: 'whether the knowledge base is searched' },
        limit: { type: 'integer', minimum: 1, maximum: 50, default: 5, description: 'passages at most' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['answer', 'by', 'sources'],
      properties: {
        answer: { type: 'string', description: 'the answer' },
        by: {
          enum: ['model', 'knowledge', 'nothing'],
          description: 'who answers: a `model`, the `knowledge` base alone, or `nothing`',
        },
        note: { type: 'string', description: 'what the answer lacks, such as a model' },
        sources: {
          type: 'array',
          items: { type: 'object' },
          description: '`source`, `title`, `first_line` and `last_line` of the passages',
        },
        model: { type: 'object', description: 'the model that answered, as `ask_model` says it' },
      },
    },
  },
  {
    name: 'troubleshoot_handler',
    description:
      'Finds causes of a problem in the status of services and jobs, in a log and in the knowledge base, with evidence.',
    inputSchema: {
      properties: {
        message: { description: 'a text: the problem' },
        services: {
          type: 'array',
          items: { type: 'object' },
          description: 'services to look at, as for `status_handler`',
        },
        jobs: { type: 'array', description: 'jobs to look at, as for `status_handler`' },
        job_name: { description: 'a text: one job' },
        file: { type: 'string', description: 'a log, as for `log_analyzer`' },
        logs: { description: 'a text: the log itself' },
        model: {
          type: 'string',
          description: 'name of the model that explains the findings; without it they are explained by rules',
        },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['analysis', 'by', 'causes', 'recommendations', 'looked_at'],
      properties: {
        analysis: { type: 'string', description: 'the explanation' },
        by: { enum: ['model', 'rules'], description: 'who explains' },
        note: { type: 'string', description: 'what is missing, such as a model' },
        causes: {
          type: 'array',
          items: { type: 'object' },
          description:
            '`cause`, and `evidence`: a list of `source` and `detail`; those that stopped something come first',
        },
        recommendations: {
          type: 'array',
          items: { type: 'object' },
          description: '`text` and the `source` that it comes from',
        },
        looked_at: {
          type: 'array',
          items: { type: 'string' },
          description: '`status`, `logs`, `knowledge`: what was looked at',
        },
        model: { type: 'object', description: 'the model that explained, as `ask_model` says it' },
      },
    },
  },
];
