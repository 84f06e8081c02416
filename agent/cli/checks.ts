/** The form of a preflight check: one thing looked at, one line said about it, and what cures it. */

export interface Finding {
  check: string;
  /** `warning`: it is waited out or can be lived with. */
  verdict: 'ok' | 'warning' | 'failed';
  text: string;
  hint?: string;
}

export function fine(check: string, text: string): Finding {
  return { check, verdict: 'ok', text };
}

export function warning(check: string, text: string, hint: string): Finding {
  return { check, verdict: 'warning', text, hint };
}

export function failure(check: string, text: string, hint: string): Finding {
  return { check, verdict: 'failed', text, hint };
}

/** One line of a failed file operation. */
export function why(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message ?? String(error);
}

/** The findings, or that they did not come in time: a hung volume answers nothing, and must not hang this too. */
export async function within(ms: number, check: string, work: () => Promise<Finding[]>): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(
      () => resolve([failure(check, `no answer within ${ms / 1000} s`, 'The volume or server behind it hangs.')]),
      ms,
    );
  });
  const found = await Promise.race([work(), late]);
  clearTimeout(timer);
  return found;
}
