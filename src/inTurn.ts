/**
 * Runs tasks one after the other: one that is handed in while another runs waits until that is done. For state that must not
 * change while it is being shown to somebody who may call back.
 */
export function inTurn(): (task: () => void) => void {
  const waiting: (() => void)[] = [];
  let busy = false;
  return (task) => {
    waiting.push(task);
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) next();
    busy = false;
  };
}
