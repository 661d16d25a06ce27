/** What the command ends with. The one place that says so; `--help` prints this table. */
export const EXIT = { fine: 0, torn: 1, damaged: 2, usage: 3, unreadable: 4, locked: 5 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `
Exit codes:
  0  fine
  1  the log has a torn tail: what a crash may honestly leave (verify)
  2  damaged: bytes that no crash explains, a payload that does not decode, or records that a repair could not save
  3  usage: a bad argument, or a bad line on the standard input (append)
  4  cannot be read or written: no such directory, an I/O error, a newer format, records that a checkpoint removed
  5  locked: another process has the log open

Results go to the standard output, everything else to the standard error. Colours and pictures appear on a terminal only; NO_COLOR,
FORCE_COLOR and --no-color are respected. RXWAL_DEBUG=1 prints the stack of an error.`;
