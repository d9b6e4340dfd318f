import { ExecutionIntegritySchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';

export const integrityPart: OpenApiPart = {
  messages: [ExecutionIntegritySchema],
  words: {
    'ChainProblem.kind': ['changed', 'missing', 'moved'],
    'ChainAnchor.status': ['signed', 'none', 'unknown_key', 'broken'],
  },
  always: {
    ExecutionTombstone: ['deleted_at', 'events'],
    ChainAnchor: ['status'],
    ChainHead: ['version', 'position', 'link'],
    ChainProblem: ['kind', 'from_version', 'to_version', 'partition', 'from_position', 'to_position', 'message'],
    ExecutionIntegrity: ['execution_id', 'intact', 'events', 'linked', 'unlinked', 'problems', 'anchor'],
  },
  says: {
    'ExecutionIntegrity.intact': 'Whether no problem was found.',
    'ExecutionIntegrity.events': 'How many events it has.',
    'ExecutionIntegrity.linked': 'Events that the chain covers.',
    'ExecutionIntegrity.unlinked': 'Events that a version of Batuta without links stored. They cannot be verified.',
    'ExecutionIntegrity.problems': 'The problems that were found, at most the first hundred.',
    'ExecutionIntegrity.head': 'The newest link. Absent when no event has one.',
    'ExecutionIntegrity.anchor': 'The signed checkpoint that contains one of its links.',
    'ExecutionIntegrity.deleted': 'Set when it was deleted. All events but the last are removed then.',
    'ExecutionTombstone.deleted_at': 'When it was deleted.',
    'ExecutionTombstone.by': 'Who deleted it; absent when a policy did.',
    'ExecutionTombstone.archive': 'The archive file that holds its events; absent when they are gone for good.',
    'ExecutionTombstone.policy': 'The retention policy that deleted it.',
    'ExecutionTombstone.events': 'How many events were deleted.',
    'ChainProblem.kind': 'What happened to these events.',
    'ChainProblem.from_version': 'The first event that may be affected.',
    'ChainProblem.to_version': 'The last event that may be affected: the events of one commit share one link.',
    'ChainProblem.partition': 'The partition of the log that contains the execution.',
    'ChainProblem.from_position':
      'Position in the partition of the first of them, or of the event before missing ones.',
    'ChainProblem.to_position': 'Position in the partition of the last of them, or of the event after missing ones.',
    'ChainProblem.message': 'What was found.',
    'ChainHead.version': 'The event that has it.',
    'ChainHead.position': 'Position of that event in the partition.',
    'ChainHead.link': 'SHA-256 in hex.',
    'ChainAnchor.status':
      'signed: a checkpoint with a good signature holds it. none: no checkpoint does yet. unknown_key: the signature is of a key that the platform does not have. broken: the links that were signed are not those that are stored.',
    'ChainAnchor.up_to_version': 'The checkpoint covers the events up to this one.',
    'ChainAnchor.checkpoint_position': 'Position in the partition at which the checkpoint ends.',
    'ChainAnchor.checkpoint_at': 'When the checkpoint was signed.',
    'ChainAnchor.key_id': 'The key that signed it.',
    'ChainAnchor.message': 'What is broken.',
  },
};
