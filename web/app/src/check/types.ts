/** How a check ended. */
export type Status = 'idle' | 'busy' | 'ok' | 'warn' | 'fail';

/** The things that are checked, in their order. */
export const SUBJECTS = ['browser', 'secure', 'server', 'network', 'call', 'speed', 'camera', 'mic', 'speaker'] as const;
export type Subject = (typeof SUBJECTS)[number];

/** A network path that the browser found. */
export interface Path {
  type: string;
  protocol: string;
  address: string;
}

/** What a check found. `facts` go into the report and into the texts. */
export interface Finding {
  status: Status;
  /** The rest of the text's key: `check.<subject>.<detail>`. */
  detail: string;
  facts: Record<string, string | number>;
  paths?: Path[];
}

/** Everything in one word: `bad` if no call is possible, `limited` if something is missing. */
export function verdict(findings: Partial<Record<Subject, Finding>>): 'good' | 'limited' | 'bad' {
  const failed = (subject: Subject): boolean => findings[subject]?.status === 'fail';
  if (failed('browser') || failed('server') || failed('network') || failed('call')) return 'bad';
  const limited = SUBJECTS.some((subject) => {
    const status = findings[subject]?.status;
    return status === 'fail' || status === 'warn';
  });
  return limited ? 'limited' : 'good';
}
