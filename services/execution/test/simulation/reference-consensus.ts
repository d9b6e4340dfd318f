import type { ConsensusGroup, JsonValue, OrchestrationDefinition, StepDefinition } from '@batuta/contracts';

/** A member in the vote. */
export interface Member {
  readonly id: string;
  readonly step: StepDefinition | undefined;
  readonly status: 'open' | 'completed' | 'failed' | 'skipped';
  readonly reason: string;
  readonly output: JsonValue;
  readonly vote: { readonly value: JsonValue } | { readonly excluded: string } | undefined;
}

export type Tally =
  { readonly winners: readonly string[]; readonly output: JsonValue } | 'failed' | 'judge' | undefined;

const USUAL_THRESHOLD = 0.8;

/**
 * The outcome of a group when its members have these votes; `judge` when only the judge can decide. A skipped member
 * does not take part. A member that was stopped because the outcome was certain counts as one without a vote.
 */
export function tally(
  definition: OrchestrationDefinition,
  group: ConsensusGroup,
  all: readonly Member[],
  judged: JsonValue | undefined,
): Tally {
  const members = all.filter((member) => member.status !== 'skipped' || member.reason === 'consensus_reached');
  const completed = members.filter((member) => member.status === 'completed');
  const share = members.length === 0 ? 0 : 1 / members.length;
  const won = (winners: readonly Member[]): Tally => {
    const output = winners[0]?.output ?? null;
    return winners.length === 0 ? 'failed' : { winners: winners.map((member) => member.id), output };
  };
  const chosen = (candidates: readonly Member[]): Tally => {
    const name = choice(judged);
    if (judged === undefined) return 'judge';
    return won(candidates.filter((member) => member.id === name));
  };
  switch (group.mode ?? 'quorum') {
    case 'quorum': {
      // As everywhere on the wire, 0 means absent.
      const threshold = group.threshold || definition.settings?.consensus_threshold || USUAL_THRESHOLD;
      if (completed.length * share < threshold || completed.length === 0) return 'failed';
      return { winners: completed.map((member) => member.id), output: merged(completed) };
    }
    case 'unanimous': {
      const options = votes(members, () => 1);
      return options.length === 1 && options[0]?.members.length === members.length ? won(options[0].members) : 'failed';
    }
    case 'majority':
    case 'weighted': {
      const weightOf = (member: Member): number => (group.mode === 'weighted' ? (group.weights?.[member.id] ?? 1) : 1);
      const total = members.reduce((sum, member) => sum + weightOf(member), 0);
      const options = votes(members, weightOf);
      const most = Math.max(0, ...options.map((option) => option.weight));
      const leading = options.filter((option) => option.weight === most && most > 0);
      const [first] = leading;
      if (first === undefined) return 'failed';
      if (leading.length > 1) {
        if (group.on_tie === 'first') return won(first.members);
        if (group.on_tie !== 'judge') return 'failed';
        const winner = chosen(leading.flatMap((option) => option.members));
        if (winner === 'judge' || winner === 'failed' || winner === undefined) return winner;
        return won(
          leading.find((option) => option.members.some((member) => member.id === winner.winners[0]))?.members ?? [],
        );
      }
      const needed = group.threshold ?? 0;
      const enough = needed === 0 ? first.weight * 2 > total : first.weight >= needed * total;
      return enough ? won(first.members) : 'failed';
    }
    case 'best': {
      const scored = completed.flatMap((member) =>
        member.vote !== undefined && 'value' in member.vote && typeof member.vote.value === 'number'
          ? [{ member, score: member.vote.value }]
          : [],
      );
      const most = Math.max(...scored.map((item) => item.score));
      const leading = scored.filter((item) => item.score === most).map((item) => item.member);
      if (leading.length <= 1) return won(leading);
      if (group.on_tie === 'first') return won(leading.slice(0, 1));
      return group.on_tie === 'judge' ? chosen(leading) : 'failed';
    }
    case 'judge':
      return completed.length === 0 ? 'failed' : chosen(completed);
  }
}

function choice(judged: JsonValue | undefined): JsonValue | undefined {
  if (typeof judged !== 'object' || judged === null || Array.isArray(judged)) return undefined;
  return judged.winner;
}

interface Option {
  readonly members: Member[];
  weight: number;
}

function votes(members: readonly Member[], weightOf: (member: Member) => number): Option[] {
  const options = new Map<string, Option>();
  for (const member of members) {
    if (member.status !== 'completed' || member.vote === undefined || !('value' in member.vote)) continue;
    // A missing value is not a vote.
    if (member.vote.value === null) continue;
    const key = sorted(member.vote.value);
    const option = options.get(key) ?? { members: [], weight: 0 };
    options.set(key, option);
    option.members.push(member);
    option.weight += weightOf(member);
  }
  return [...options.values()];
}

/** Fields of objects are merged in listed order. A value that is not an object is under its member's output key. */
function merged(members: readonly Member[]): JsonValue {
  const parts = members.map(({ step, id, output }) =>
    typeof output === 'object' && output !== null && !Array.isArray(output)
      ? output
      : { [step?.output_key ?? id]: output },
  );
  return Object.assign({}, ...parts) as JsonValue;
}

function sorted(value: JsonValue): string {
  return JSON.stringify(value, (_key, item: JsonValue) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
