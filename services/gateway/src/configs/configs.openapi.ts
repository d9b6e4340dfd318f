import { ConfigSchema, DEFINITION_EXAMPLE, LIMITS } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { NAME_SCHEMA, VERSION_SCHEMA } from '../openapi/openapi-rules.js';
import { countedPage, listOf, nullable, page, ref, REPEATED } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { CONFIG_FIELDS } from './config-fields.js';

/** The field of a config that only editors use. */
const EDITOR_SCHEMA: OpenApiSchema = {
  type: 'string',
  ...CONFIG_FIELDS.rules['OrchestrationDefinition.$schema'],
  description: CONFIG_FIELDS.says['OrchestrationDefinition.$schema'],
};

const NESTED_STEPS: OpenApiSchema = {
  type: 'object',
  required: ['steps'],
  properties: { steps: listOf('Step'), settings: ref('Settings') },
  additionalProperties: false,
};

export const configsPart: OpenApiPart = {
  messages: [ConfigSchema],
  always: {
    ...CONFIG_FIELDS.always,
    Config: [
      'id',
      'tenant_id',
      'owner_id',
      'version',
      'is_active',
      'created_at',
      'updated_at',
      'steps_count',
      'name',
      'strategy',
      'steps',
    ],
    ConfigPatch: [],
    ConfigVersions: ['versions'],
    SettingsPatch: [],
  },
  rules: {
    ...CONFIG_FIELDS.rules,
    'OrchestrationDefinition.steps': { minItems: 1, maxItems: LIMITS.steps },
    'Settings.callback_url': { ...CONFIG_FIELDS.rules['Settings.callback_url'], format: 'uri' },
  },
  says: {
    ...CONFIG_FIELDS.says,
    'OrchestrationDefinition.steps': '1 to 10,000 steps.',
    settings: 'Settings of the whole execution.',
    owner_id: 'The user who made it.',
    deleted_at: 'When it was deleted; null while it is not.',
    is_active: 'False once it was deleted.',
    'Config.version': 'Grows with each change; it is also the ETag.',
    'Config.id': 'The config, a UUID.',
    configs: 'The configs, newest first.',
    versions: 'The versions, newest first.',
  },
  schemas: ({ messages, described }) => {
    const propertiesOf = (name: string): Record<string, OpenApiSchema> =>
      described(name, messages[name] ?? {})['properties'] as Record<string, OpenApiSchema>;
    const nullableProperties = (name: string): Record<string, OpenApiSchema> =>
      Object.fromEntries(Object.entries(propertiesOf(name)).map(([field, schema]) => [field, nullable(schema)]));
    const written = propertiesOf('OrchestrationDefinition');
    const { definition: _nested, ...own } = propertiesOf('Config');
    const { settings: _settings, ...outside } = written;
    return {
      OrchestrationDefinition: {
        ...messages['OrchestrationDefinition'],
        properties: { $schema: EDITOR_SCHEMA, ...written },
        required: ['name', 'strategy', 'steps'],
        example: DEFINITION_EXAMPLE,
      },
      ConfigBody: {
        description: 'The flat form or the nested one; `steps` is a list or an object.',
        anyOf: [ref('OrchestrationDefinition'), ref('NestedDefinition')],
      },
      ConfigPatch: {
        type: 'object',
        description: 'Any fields of a definition; null removes a field.',
        properties: {
          ...nullableProperties('OrchestrationDefinition'),
          settings: nullable(ref('SettingsPatch')),
        },
      },
      SettingsPatch: {
        type: 'object',
        description: 'Any settings; null removes a setting.',
        properties: nullableProperties('Settings'),
      },
      NestedDefinition: {
        type: 'object',
        description:
          'The same with the steps and the settings in one object. It is stored in the flat form, with `settings.default_input` `merged` unless it says otherwise.',
        properties: { $schema: EDITOR_SCHEMA, ...outside, steps: NESTED_STEPS },
        required: ['name', 'strategy', 'steps'],
      },
      Config: {
        type: 'object',
        description:
          'A definition with the fields that the platform maintains. `version` grows by one with each change.',
        properties: {
          ...own,
          steps_count: { type: 'integer', description: 'How many steps it has.' },
          ...written,
          repeated: REPEATED,
        },
      },
      ConfigPage: countedPage('configs', 'Config'),
      ConfigVersions: page('versions', 'Config'),
    };
  },
  parameters: [
    [
      /^\/api\/v1\/orchestrations\/configs\//,
      'id',
      { description: 'The config, by id or name.', schema: NAME_SCHEMA, example: 'two-steps' },
    ],
    [
      /^\/api\/v1\/orchestrations\/configs\//,
      'version',
      { description: 'The version of the config.', schema: VERSION_SCHEMA },
    ],
  ],
};
