/** Minutes ahead of UTC. Names with several meanings have the meaning of PostgreSQL's default set. */
const ZONES: Readonly<Record<string, number>> = {
  Z: 0,
  UTC: 0,
  UCT: 0,
  GMT: 0,
  WET: 0,
  AZOT: -60,
  BRST: -120,
  FNT: -120,
  BRT: -180,
  ART: -180,
  UYT: -180,
  ADT: -180,
  CLST: -180,
  NDT: -150,
  NST: -210,
  AST: -240,
  BOT: -240,
  CLT: -240,
  VET: -240,
  AMT: -240,
  EDT: -240,
  EST: -300,
  CDT: -300,
  COT: -300,
  PET: -300,
  ECT: -300,
  CST: -360,
  MDT: -360,
  MST: -420,
  PDT: -420,
  PST: -480,
  AKDT: -480,
  AKST: -540,
  HDT: -540,
  HST: -600,
  WEST: 60,
  BST: 60,
  CET: 60,
  MET: 60,
  WAT: 60,
  CEST: 120,
  MEST: 120,
  MESZ: 120,
  MEZ: 60,
  EET: 120,
  SAST: 120,
  CAT: 120,
  EEST: 180,
  IDT: 180,
  MSK: 180,
  TRT: 180,
  EAT: 180,
  MSD: 240,
  SAMT: 240,
  IRST: 210,
  IRDT: 270,
  UZT: 300,
  PKT: 300,
  YEKT: 300,
  IST: 330,
  NPT: 345,
  OMST: 360,
  ICT: 420,
  WIB: 420,
  NOVT: 420,
  KRAT: 420,
  WITA: 480,
  SGT: 480,
  HKT: 480,
  MYT: 480,
  PHT: 480,
  IRKT: 480,
  AWST: 480,
  WIT: 540,
  JST: 540,
  KST: 540,
  YAKT: 540,
  ACST: 570,
  ACDT: 630,
  AEST: 600,
  VLAT: 600,
  AEDT: 660,
  MAGT: 660,
  NZST: 720,
  PETT: 720,
  NZDT: 780,
};

const MINUTES = new Map(Object.entries(ZONES));
const MOST_REGIONS = 500;
/** By the region's name; null for an unknown name. Bounded, because the names come from logs. */
const regions = new Map<string, Intl.DateTimeFormat | null>();

/** Minutes ahead of UTC for a zone's abbreviation in capitals. Undefined for other words, such as a level. */
export function zoneMinutes(name: string): number | undefined {
  return MINUTES.get(name);
}

/** Whether a text is a region of the IANA database, such as `Europe/Berlin`. */
export function isRegion(name: string): boolean {
  return formatOf(name) !== null;
}

/** The instant of a local time in a region of the IANA database. `local` is the local time as if it were UTC. */
export function instantIn(region: string, local: number): number {
  // Computed twice, because the offset depends on the instant, and the instant on the offset.
  const guess = local - offsetAt(region, local);
  return local - offsetAt(region, guess);
}

function offsetAt(region: string, at: number): number {
  const format = formatOf(region);
  if (format === null) return 0;
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

function formatOf(name: string): Intl.DateTimeFormat | null {
  const known = regions.get(name);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat | null = null;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    // No zone of that name.
  }
  if (regions.size >= MOST_REGIONS) regions.clear();
  regions.set(name, format);
  return format;
}
