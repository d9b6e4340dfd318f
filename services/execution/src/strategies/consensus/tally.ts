import type { ConsensusMode, ConsensusReached } from '@batuta/contracts';

/** One member's vote. `open`: no result yet. `none`: finished without a vote, for the reason in `excluded`. */
export interface Ballot {
  readonly member: number;
  readonly ballot: 'open' | 'none' | 'cast';
  readonly excluded: string;
  /** Members with equal text agree. */
  readonly text: string;
  readonly weight: number;
  readonly score: number;
}

export interface TallyRules {
  readonly mode: ConsensusMode;
  readonly threshold: number;
  readonly thresholdSet: boolean;
  readonly onTie: 'fail' | 'first' | 'judge';
  readonly earlyStop: boolean;
}

export type Tally =
  | { readonly kind: 'open' }
  /** All members were skipped, so there is nothing to decide. */
  | { readonly kind: 'skipped' }
  /** The judge must choose among these members. */
  | { readonly kind: 'judge'; readonly candidates: readonly number[] }
  | {
      readonly kind: 'reached';
      readonly winners: readonly number[];
      readonly dissent: readonly number[];
      readonly decidedBy: ConsensusReached['decidedBy'];
      readonly share: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

/** The judge's answer: the chosen member, or -1 when it failed or named none. */
export type Verdict = number | undefined;

// Shares are quotients of small numbers. Four of five must reach 0.8, however the quotient is rounded.
const EPSILON = 1e-9;
const OPEN: Tally = { kind: 'open' };

interface Option {
  readonly members: number[];
  weight: number;
}

/**
 * The outcome of a group from the votes so far. Members skipped by a condition, a dependency or a request do not count.
 * Failed ones count as members without a vote. With `earlyStop` the group decides as soon as open members cannot change
 * the outcome; `best` and `judge` always wait.
 */
export function tally(rules: TallyRules, ballots: readonly Ballot[], verdict: Verdict): Tally {
  const counted = ballots.filter((ballot) => ballot.excluded !== 'skipped');
  const open = counted.filter((ballot) => ballot.ballot === 'open');
  if (open.length > 0 && !rules.earlyStop) {
    return OPEN;
  }
  if (counted.length === 0) {
    return { kind: 'skipped' };
  }
  // The remaining members may all be skipped, and then there is nothing to decide.
  if (open.length === counted.length) {
    return OPEN;
  }
  const cast = counted.filter((ballot) => ballot.ballot === 'cast');
  switch (rules.mode) {
    case 'quorum':
      return quorum(rules, counted.length, cast, open.length);
    case 'majority':
    case 'weighted':
      return plurality(rules, counted, cast, open, verdict);
    case 'unanimous':
      return unanimous(counted.length, cast, open.length);
    case 'best':
      return open.length > 0 ? OPEN : best(rules, counted.length, cast, verdict);
    case 'judge':
      return open.length > 0 ? OPEN : judged(counted.length, cast, verdict);
    default:
      return rules.mode satisfies never;
  }
}

function quorum(rules: TallyRules, total: number, cast: readonly Ballot[], open: number): Tally {
  const share = cast.length / total;
  if (share >= rules.threshold - EPSILON) {
    return { kind: 'reached', winners: membersOf(cast), dissent: [], decidedBy: 'threshold', share };
  }
  if ((cast.length + open) / total >= rules.threshold - EPSILON) {
    return OPEN;
  }
  return {
    kind: 'failed',
    reason: `${cast.length} of ${total} members succeeded, and a share of ${rules.threshold} is needed`,
  };
}

function optionsOf(cast: readonly Ballot[]): Option[] {
  const options = new Map<string, Option>();
  for (const ballot of cast) {
    const option = options.get(ballot.text);
    if (option === undefined) {
      options.set(ballot.text, { members: [ballot.member], weight: ballot.weight });
    } else {
      option.members.push(ballot.member);
      option.weight += ballot.weight;
    }
  }
  return [...options.values()];
}

function plurality(
  rules: TallyRules,
  counted: readonly Ballot[],
  cast: readonly Ballot[],
  open: readonly Ballot[],
  verdict: Verdict,
): Tally {
  const total = sum(counted);
  const undecided = sum(open);
  const options = optionsOf(cast);
  // A majority is more than half. A threshold of the config is reached by equality.
  const enough = (weight: number): boolean =>
    total > 0 && (rules.thresholdSet ? weight / total >= rules.threshold - EPSILON : weight / total > 0.5 + EPSILON);
  const top = options.reduce((most, option) => Math.max(most, option.weight), 0);
  const leaders = options.filter((option) => option.weight >= top - EPSILON);
  const leader = leaders[0];
  const choice = (option: Option, decidedBy: ConsensusReached['decidedBy']): Tally => ({
    kind: 'reached',
    winners: option.members,
    dissent: membersOf(cast.filter((ballot) => !option.members.includes(ballot.member))),
    decidedBy,
    share: total > 0 ? option.weight / total : 0,
  });
  if (open.length > 0) {
    const second = options.reduce((most, option) => (option === leader ? most : Math.max(most, option.weight)), 0);
    // No other vote can reach the leader any more.
    const ahead = leader !== undefined && second + undecided < top - EPSILON;
    if (ahead && enough(top)) {
      return choice(leader, 'threshold');
    }
    // Only a tie can win without enough support.
    const hopeless = (ahead || rules.onTie === 'fail') && !enough(top + undecided);
    return hopeless ? { kind: 'failed', reason: 'no vote can gather enough support any more' } : OPEN;
  }
  if (leader === undefined) {
    return { kind: 'failed', reason: 'no member cast a vote' };
  }
  // Votes without weight do not tie. They do not count.
  if (leaders.length > 1 && top > EPSILON) {
    return tie(rules, leaders, verdict, choice);
  }
  const share = total > 0 ? rounded(top / total) : 0;
  return enough(top)
    ? choice(leader, 'threshold')
    : { kind: 'failed', reason: `the leading vote has a share of ${share}, which is not enough` };
}

function tie(
  rules: TallyRules,
  leaders: readonly Option[],
  verdict: Verdict,
  choice: (option: Option, decidedBy: ConsensusReached['decidedBy']) => Tally,
): Tally {
  const first = leaders[0];
  if (rules.onTie === 'first' && first !== undefined) {
    return choice(first, 'first');
  }
  if (rules.onTie === 'judge') {
    if (verdict === undefined) {
      return { kind: 'judge', candidates: leaders.map((option) => option.members[0] as number) };
    }
    const chosen = leaders.find((option) => option.members.includes(verdict));
    if (chosen !== undefined) {
      return choice(chosen, 'judge');
    }
    return { kind: 'failed', reason: 'the judge chose none of the tied votes' };
  }
  return { kind: 'failed', reason: `${leaders.length} votes are tied` };
}

function unanimous(total: number, cast: readonly Ballot[], open: number): Tally {
  const options = optionsOf(cast);
  if (options.length > 1) {
    return { kind: 'failed', reason: `members disagree: ${options.length} different votes` };
  }
  if (cast.length + open < total) {
    return { kind: 'failed', reason: `${total - cast.length - open} of ${total} members cast no vote` };
  }
  if (open > 0) {
    return OPEN;
  }
  return { kind: 'reached', winners: membersOf(cast), dissent: [], decidedBy: 'threshold', share: 1 };
}

function best(rules: TallyRules, total: number, cast: readonly Ballot[], verdict: Verdict): Tally {
  const highest = cast.reduce((most, ballot) => Math.max(most, ballot.score), Number.NEGATIVE_INFINITY);
  const leaders = cast.filter((ballot) => ballot.score === highest);
  const leader = leaders[0];
  if (leader === undefined) {
    return { kind: 'failed', reason: 'no member has a score' };
  }
  const choice = (option: Option, decidedBy: ConsensusReached['decidedBy']): Tally => ({
    kind: 'reached',
    winners: option.members,
    dissent: [],
    decidedBy,
    share: 1 / total,
  });
  const options = leaders.map((ballot) => ({ members: [ballot.member], weight: ballot.weight }));
  return options.length > 1
    ? tie(rules, options, verdict, choice)
    : choice({ members: [leader.member], weight: leader.weight }, 'score');
}

function judged(total: number, cast: readonly Ballot[], verdict: Verdict): Tally {
  if (cast.length === 0) {
    return { kind: 'failed', reason: 'no member succeeded' };
  }
  if (verdict === undefined) {
    return { kind: 'judge', candidates: membersOf(cast) };
  }
  if (!cast.some((ballot) => ballot.member === verdict)) {
    return { kind: 'failed', reason: 'the judge chose none of the members' };
  }
  return { kind: 'reached', winners: [verdict], dissent: [], decidedBy: 'judge', share: 1 / total };
}

function membersOf(ballots: readonly Ballot[]): number[] {
  return ballots.map((ballot) => ballot.member);
}

function sum(ballots: readonly Ballot[]): number {
  return ballots.reduce((weight, ballot) => weight + ballot.weight, 0);
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}
