/** The time within which an idle process is watched. */
export const IDLE_SECTION = 'idle';
