#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError, Option } from 'commander';
import { defaultIfEmpty, lastValueFrom, takeUntil, type Observable } from 'rxjs';
import { append, type AppendOptions } from './append';
import { CODEC_HELP, CODEC_OPTION } from './codecOption';
import { dump, type DumpOptions } from './dump';
import { EXIT, EXIT_CODES_HELP, type ExitCode } from './exitCodes';
import { describeFailure, exitCodeOf } from './failure';
import { inspect } from './inspect';
import { JSON_VALUES_HELP } from './jsonValue';
import { wholeNumber } from './numberOption';
import { repair } from './repair';
import { serve, type ServeOptions } from './serve';
import { Session, type CommonOptions } from './session';
import { stats } from './stats';
import { tail, type TailOptions } from './tail';
import { verify } from './verify';

const { version } = createRequire(__filename)('../../package.json') as { readonly version: string };

/** What a verb is given: its arguments, and its options together with those that all have. */
type Verb<Options> = (session: Session, dir: string, options: Options) => Observable<ExitCode>;

/** Runs a verb, and makes the exit code of what it says or fails with. A reader of the results who has gone ends it quietly. */
function running<Options>(verb: Verb<Options>): (dir: string, options: Options, command: Command) => Promise<void> {
  return async (dir, options, command) => {
    const session = new Session(command.optsWithGlobals<CommonOptions>());
    // What ends without a result has not gone well: nothing is left that could bring one.
    process.exitCode = EXIT.unreadable;
    const unfinished = (): void => {
      process.stderr.write(`rxwal: UNEXPECTED: ${command.name()} ended without a result\n`);
    };
    process.once('exit', unfinished);
    try {
      const result = verb(session, dir, options).pipe(takeUntil(session.out.gone$), defaultIfEmpty(EXIT.fine));
      process.exitCode = await lastValueFrom(result);
    } finally {
      process.off('exit', unfinished);
    }
  };
}

/** The failure of a verb or of reading the arguments, as one line on the standard error. */
function fail(error: unknown): void {
  if (error instanceof CommanderError && error.exitCode === 0) return;
  // Without a verb the help is what there is to say.
  if (error instanceof CommanderError && error.code === 'commander.help') {
    process.exitCode = EXIT.usage;
    return;
  }
  process.exitCode = exitCodeOf(error);
  process.stderr.write(`${describeFailure(error, process.argv.includes('--json'))}\n`);
}

const program = new Command('rxwal')
  .description('Looks into a write-ahead log of rxwal, checks it, follows it, appends to it.')
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand('help [verb]', 'print the help of a verb')
  .exitOverride()
  .configureOutput({ outputError: () => undefined })
  .showSuggestionAfterError()
  .addHelpText('after', EXIT_CODES_HELP);

/** A verb that takes a log's directory, with the options that all have. */
function verbOn(name: string, description: string, dir = "the log's directory"): Command {
  return program
    .command(name)
    .description(description)
    .argument('<dir>', dir)
    .option('--json', 'results as JSON, errors too')
    .option('--no-color', 'no colours')
    .addOption(
      new Option('--max-record-bytes <n>', 'largest payload accepted')
        .argParser(wholeNumber(1))
        .default(16 * 1024 * 1024),
    );
}

verbOn('inspect', 'show segments, LSN ranges, the checkpoint, torn and damaged spots').action(running(inspect));

verbOn('verify', 'check every frame of every segment; exit code 0, 1 torn, 2 damaged').action(running(verify));

verbOn('stats', 'count records, bytes, batches, and what a checkpoint would free').action(running(stats));

verbOn('repair', 'make a new log of what can be proven of a damaged one, which is only read')
  .argument(
    '[new-dir]',
    'where to write it: a directory that is not there yet, or empty; without it, say what would be done',
  )
  .addHelpText(
    'after',
    `
Prints every gap. Exit code 0 if no record was lost, 2 if one was. LSNs are kept up to the first gap that has lost records.`,
  )
  .action(async (dir: string, target: string | undefined, options: unknown, command: Command) =>
    running((session, from) => repair(session, from, target))(dir, options, command),
  );

verbOn('dump', 'print the records as lines of JSON')
  .option(CODEC_OPTION, CODEC_HELP, 'cbor')
  .option('--after <lsn>', 'only records behind this LSN', wholeNumber())
  .option('--until <lsn>', 'only records up to this LSN', wholeNumber())
  .option('--limit <n>', 'at most so many lines', wholeNumber(1))
  .option('--where <path=value>', 'only values with this at a dotted path; may be repeated', repeated, [])
  .option('--values', 'the values alone, without their LSNs')
  .option('--marks', 'marks too')
  .option('--checkpoints', 'checkpoints too')
  .addHelpText(
    'after',
    `
Shows what is in the files; after a crash that may be more than was acknowledged. A payload that does not decode is printed as
{"lsn":1,"undecodable":"<base64>","error":"…"} and makes the exit code 2.
${JSON_VALUES_HELP}`,
  )
  .action(running<DumpOptions>(dump));

verbOn('tail', 'print the last durable records, and follow a log that another process writes')
  .option('-n, --lines <n>', 'so many of the last records', wholeNumber(), 10)
  .option('-f, --follow', 'go on with every later record, once it is durable')
  .option('--after <lsn>', 'begin behind this LSN, instead of -n', wholeNumber())
  .option('--interval <ms>', 'milliseconds between one look and the next', wholeNumber(1), 200)
  .option(CODEC_OPTION, CODEC_HELP, 'cbor')
  .option('--values', 'the values alone, without their LSNs')
  .addHelpText(
    'after',
    `
Shows a record when something proves that it is durable: a mark, a later segment, the checkpoint, or an fsync of its own for what came
after it had opened the file. So what nothing names yet when it begins, at most the last batch of a log in a mode that syncs, comes with
the next batch, or when the log is closed. SIGINT ends it with exit code 0.
${JSON_VALUES_HELP}`,
  )
  .action(running<TailOptions>(tail));

verbOn('serve', 'serve a page that shows a log which another process writes, read-only, until a signal comes')
  .option('--port <n>', 'the port; 0 for one that is free', wholeNumber(), 0)
  .option('--host <address>', 'where to listen; what is not loopback can be seen by others', '127.0.0.1')
  .option('--interval <ms>', 'milliseconds between one report and the next', wholeNumber(1), 1000)
  .option('--entries <n>', 'how many of the newest entries it shows; 0 keeps the values back', wholeNumber(), 20)
  .option(CODEC_OPTION, CODEC_HELP, 'cbor')
  .addHelpText(
    'after',
    `
Prints the address of the page. It shows what the files tell, takes no lock and reads only while somebody looks. There is no password:
whoever can connect to the port sees the page. SIGINT and SIGTERM end it with exit code 0.`,
  )
  .action(running<ServeOptions>(serve));

verbOn('append', 'append lines of JSON from the standard input', "the log's directory; made where it is not there")
  .option(CODEC_OPTION, CODEC_HELP, 'cbor')
  .addOption(
    new Option('--mode <mode>', 'when a batch ends').choices(['sync', 'batch', 'adaptive', 'nosync']).default('sync'),
  )
  .option('--max-delay-ms <n>', 'mode batch: a batch ends so long after its first record', wholeNumber(), 10)
  .option('--max-records <n>', 'mode batch: a batch ends with so many', wholeNumber(1), 100)
  .option('--target-interval-ms <n>', 'mode adaptive: the cadence of the batches', wholeNumber(), 10)
  .option('--max-segment-bytes <n>', 'a segment ends with the batch that takes it to this size', wholeNumber(64))
  .option('-q, --quiet', 'print the last acknowledgement only')
  .option('--skip-bad', 'skip a line that cannot be a record, and say so')
  .addHelpText(
    'after',
    `
Prints {"lsn":1,"durable":true} for each record once it is durable (mode nosync: written, "durable":false), in order. A line that cannot be
a record ends the input with exit code 3, when everything before it is acknowledged. A signal ends it too, with exit code 0.
${JSON_VALUES_HELP}`,
  )
  .action(running<AppendOptions>(append));

function repeated(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

program.parseAsync().catch(fail);
