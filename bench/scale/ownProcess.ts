/** Runs a task in a process of its own, so that nothing that came before it is in its memory. */
import { fork } from 'node:child_process';

const TASK_FLAG = '--task';

type Tasks = Readonly<Record<string, (options: never) => Promise<unknown>>>;

/** In the process that measures: starts `script` again, which must call {@link serveTask}, and resolves with what the task gave. */
export function inOwnProcess<R>(script: string, task: string, options: unknown): Promise<R> {
  return new Promise((resolve, reject) => {
    let result: { readonly value: R } | undefined;
    const child = fork(script, [TASK_FLAG, task, JSON.stringify(options)]);
    child.on('message', (message) => {
      result = message as { readonly value: R };
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (result) resolve(result.value);
      else reject(new Error(`${task} ended with ${code ?? signal ?? 'nothing'} and no result`));
    });
  });
}

/** In the process of a task: runs it and sends what it gives. @returns whether this is such a process. */
export function serveTask(tasks: Tasks): boolean {
  const [flag, name = '', options = '{}'] = process.argv.slice(2);
  if (flag !== TASK_FLAG) return false;
  const task = tasks[name];
  if (!task) throw new Error(`there is no task ${name}`);
  void task(JSON.parse(options) as never).then((value) => {
    process.send?.({ value }, () => {
      process.disconnect();
    });
  });
  return true;
}
