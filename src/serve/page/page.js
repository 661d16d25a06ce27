// The page of `rxwal serve`: draws what /events says. Text goes in by textContent alone.
'use strict';

const SECOND = 1000;
const TABLE_ROWS = 60;
const CHART_HEIGHT = 130;
/** Seconds that the time axis has at least. */
const LEAST_SPAN = 60;
/** Readers that are marked on the map. */
const MARKERS = 5;

const byId = (id) => document.getElementById(id);
const count = (value, digits = 0) => value.toLocaleString('en-GB', { maximumFractionDigits: digits });
const rate = (value) => count(value, value < 10 ? 1 : 0);
const millis = (value) => `${count(value, value < 10 ? 2 : 0)} ms`;

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${count(value, at > 0 && value < 100 ? 1 : 0)} ${units[at]}`;
}

function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / SECOND));
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

/** An element with text, or with children. */
function make(name, content = '', attributes = {}) {
  const element = document.createElement(name);
  if (Array.isArray(content)) element.append(...content);
  else element.textContent = content;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Writes text only where it is another one: a live region speaks of each change. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const row = (cells) =>
  make(
    'tr',
    cells.map((cell) => make('td', cell)),
  );

// What is known.

const TIMELINES = [
  { id: 'records', title: 'Records a second', unit: rate, least: 1, series: [['records', 'durable']] },
  { id: 'bytes', title: 'Bytes a second', unit: bytes, least: 1024, series: [['bytes', 'written']] },
  {
    id: 'commit',
    title: 'Commit (write + fsync)',
    unit: millis,
    least: 0.1,
    inside: true,
    series: [
      ['commitMs', 'mean'],
      ['commitP99Ms', '99th percentile'],
    ],
  },
  {
    id: 'batch',
    title: 'Batch and queue, in records',
    unit: rate,
    least: 1,
    inside: true,
    series: [
      ['batchRecords', 'mean of a batch'],
      ['queueRecords', 'waiting'],
    ],
  },
];
const HISTOGRAMS = [
  { id: 'commitMs', title: 'Commits by duration', what: 'commits', unit: (value) => `${count(value, 2)} ms` },
  { id: 'batchRecords', title: 'Commits by records', what: 'commits', unit: (value) => count(value) },
];

const state = { points: [], report: undefined, maxPoints: 300, intervalMs: SECOND, paused: false, connected: false };
const charts = new Map();

// Charts.

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Steps of an axis: of bytes in powers of two. */
const BYTE_STEPS = Array.from({ length: 44 }, (_, at) => 2 ** at);

function axes(xValues, unit) {
  const common = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  return [
    { ...common, size: 24, values: xValues, space: 60 },
    {
      ...common,
      ...(unit === bytes ? { incrs: BYTE_STEPS } : {}),
      size: 72,
      values: (_, splits) => splits.map((value) => unit(value)),
      space: 30,
    },
  ];
}

/** A figure with a title, a key, a place to draw at, and the same as a table. */
function figure(id, title, keys, columns) {
  const place = make('div', '', { class: 'chart', role: 'img', 'aria-label': `${title}: nothing yet` });
  const body = make('tbody');
  const table = make('table', [
    make('caption', title),
    make('thead', [
      make(
        'tr',
        columns.map((column) => make('th', column, { scope: 'col' })),
      ),
    ]),
    body,
  ]);
  const scroll = make('div', [table], {
    class: 'scroll',
    role: 'region',
    'aria-label': `${title}, table`,
    tabindex: '0',
  });
  const details = make('details', [make('summary', `${title} as a table`), scroll]);
  const legend = make(
    'div',
    keys.map((key) => make('p', key, { class: 'key' })),
    { class: 'keys' },
  );
  const element = make('figure', [make('h3', title), legend, place, details], { id: `figure-${id}` });
  details.addEventListener('toggle', draw);
  return { element, place, body, details };
}

/** The points, with a hole where nobody looked. */
function timeline(series) {
  const xs = [];
  const columns = series.map(() => []);
  const newest = state.points.at(-1)?.atMs ?? 0;
  let before;
  for (const point of state.points) {
    if (before !== undefined && point.atMs - before > 2.5 * state.intervalMs) {
      xs.push((before + 1 - newest) / SECOND);
      for (const column of columns) column.push(null);
    }
    xs.push((point.atMs - newest) / SECOND);
    for (const [at, [key]] of series.entries()) columns[at].push(point[key]);
    before = point.atMs;
  }
  return [xs, ...columns];
}

function plot(id, options, data) {
  const { place } = charts.get(id);
  const chart = charts.get(id);
  chart.plot ??= new uPlot(
    {
      width: place.clientWidth || 300,
      height: CHART_HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      ...options,
    },
    data,
    place,
  );
  chart.plot.setData(data);
}

function drawTimeline({ id, title, unit, least, series, inside }) {
  const { element, place, body, details } = charts.get(id);
  element.hidden = Boolean(inside) && state.report?.source === 'directory';
  if (element.hidden) return;
  const data = timeline(series);
  const span = (state.maxPoints * state.intervalMs) / SECOND;
  const lines = series.map(([, label], at) => ({
    label,
    stroke: colour(`--series-${at + 1}`),
    width: 2,
    points: { show: false },
  }));
  const seconds = (_, splits) => splits.map((at) => (at === 0 ? 'now' : `${count(at)} s`));
  plot(
    id,
    {
      scales: {
        x: { time: false, range: (_, low) => [Math.max(-span, Math.min(low ?? 0, -LEAST_SPAN)), 0] },
        y: { range: (_, _low, high) => [0, Math.max(high ?? 0, least) * 1.1] },
      },
      axes: axes(seconds, unit),
      series: [{}, ...lines],
    },
    data,
  );
  const said = series.map(([, label], at) => {
    const known = data[at + 1].filter((value) => typeof value === 'number');
    if (known.length === 0) return `${label} not known yet`;
    const now = data[at + 1].at(-1);
    return `${label} ${typeof now === 'number' ? unit(now) : 'not known'} now, ${unit(Math.max(...known))} at most`;
  });
  place.setAttribute('aria-label', `${title}: ${said.join('; ')}`);
  if (!details.open) return;
  const newest = state.points.at(-1)?.atMs ?? 0;
  const rows = state.points.slice(-TABLE_ROWS).reverse();
  body.replaceChildren(
    ...rows.map((point) =>
      row([
        ago(newest - point.atMs),
        ...series.map(([key]) => (typeof point[key] === 'number' ? unit(point[key]) : '–')),
      ]),
    ),
  );
}

function drawHistogram({ id, title, what, unit }) {
  const histogram = state.report?.metrics?.[id];
  if (!histogram) return;
  const { place, body, details } = charts.get(id);
  const { bounds, counts } = histogram;
  const first = Math.max(0, counts.findIndex((n) => n > 0) - 1);
  const last = Math.max(
    first,
    counts.findLastIndex((n) => n > 0),
  );
  const buckets = counts.slice(first, last + 2).map((n, at) => {
    const bound = bounds[first + at];
    return { n, label: bound === undefined ? `above ${unit(bounds.at(-1))}` : unit(bound) };
  });
  const labels = (_, splits) => splits.map((at) => (Number.isInteger(at) ? (buckets[at]?.label ?? '') : ''));
  const chart = charts.get(id);
  // Its buckets are its scale: it is made anew where there are others.
  const key = buckets.map(({ label }) => label).join();
  if (chart.key !== key) {
    chart.plot?.destroy();
    chart.plot = undefined;
    chart.key = key;
  }
  plot(
    id,
    {
      scales: {
        x: { time: false, range: [-0.6, buckets.length - 0.4] },
        y: { range: (_, _low, high) => [0, Math.max(1, high) * 1.1] },
      },
      axes: axes(labels, (value) => count(value)),
      series: [
        {},
        {
          fill: colour('--series-1'),
          stroke: colour('--series-1'),
          paths: uPlot.paths.bars({ size: [0.8] }),
          points: { show: false },
        },
      ],
    },
    [buckets.map((_, at) => at), buckets.map(({ n }) => n)],
  );
  const most = buckets.reduce((best, bucket) => (bucket.n > best.n ? bucket : best), buckets[0]);
  const mean = histogram.count > 0 ? unit(histogram.sum / histogram.count) : 'not known';
  const summary = `${count(histogram.count)} ${what}, mean ${mean}, most up to ${most.label}, largest ${unit(histogram.max)}`;
  place.setAttribute('aria-label', `${title}: ${summary}`);
  if (details.open) body.replaceChildren(...buckets.map((bucket) => row([bucket.label, count(bucket.n)])));
}

function makeCharts() {
  for (const { id, title, series } of TIMELINES) {
    const labels = series.map(([, label]) => label);
    charts.set(id, figure(id, title, labels, ['When', ...labels]));
    byId('charts').append(charts.get(id).element);
  }
  for (const { id, title, what } of HISTOGRAMS) {
    charts.set(id, figure(id, title, [`${what} up to`], ['Up to', what]));
    byId('histograms').append(charts.get(id).element);
  }
}

/** In other colours, or another size. */
function redraw() {
  for (const chart of charts.values()) {
    chart.plot?.destroy();
    chart.plot = undefined;
  }
  draw();
}

// The rest.

function figures({ point, metrics, lastLsn, durableLsn, source }) {
  const known = (value, unit) => (typeof value === 'number' ? unit(value) : '–');
  const both = [
    ['Records/s', known(point.records, rate)],
    ['Bytes/s', known(point.bytes, bytes)],
    [source === 'process' ? 'Last LSN' : 'Last durable LSN', known(lastLsn, count)],
  ];
  if (!metrics) return both;
  return [
    ...both,
    ['Durable LSN', known(durableLsn, count)],
    ['Commits/s', known(point.commits, rate)],
    ['Commit, mean', known(point.commitMs, millis)],
    ['Batch, mean', point.batchRecords === null ? '–' : `${rate(point.batchRecords)} records`],
    ['Waiting', `${count(metrics.queueRecords)}, ${bytes(metrics.queueBytes)}`],
    ['Refused', count(metrics.totals.rejected)],
    ['Rotations', count(metrics.totals.rotations)],
    ['Checkpoints', count(metrics.totals.checkpoints)],
  ];
}

function drawFigures(report) {
  const list = byId('figures');
  const wanted = figures(report);
  if (list.children.length !== wanted.length) {
    list.replaceChildren(...wanted.map(([name]) => make('div', [make('dt', name), make('dd')])));
  }
  for (const [at, [name, value]] of wanted.entries()) {
    const [dt, dd] = list.children[at].children;
    say(dt, name);
    say(dd, value);
  }
}

const fileName = (sequence) => `wal_${String(sequence).padStart(8, '0')}.log`;

function drawSegments({ files, lastLsn, held }) {
  const map = byId('map');
  if (!files) {
    map.replaceChildren();
    map.setAttribute('aria-label', 'Segments are not known');
    say(byId('files'), 'Not known');
    return;
  }
  const { segments, checkpoint, olderSegments } = files;
  const total = segments.reduce((sum, segment) => sum + (segment.bytes ?? 0), 0) || 1;
  let left = 0;
  const placed = segments.map((segment) => {
    const width = ((segment.bytes ?? 0) / total) * 100;
    const end = segment.lastLsn ?? Math.max(lastLsn ?? 0, segment.firstLsn);
    const freed = segment.lastLsn !== undefined && segment.lastLsn <= (held?.floorLsn ?? 0);
    const needed = segment.lastLsn === undefined ? 'the last one stays' : freed ? 'no' : 'yes';
    const at = { ...segment, left, width, end, freed, needed };
    left += width;
    return at;
  });
  const blocks = placed.map(({ left: from, width, freed, lastLsn: sealed }) => {
    const block = make('div', '', { class: freed ? 'freed' : sealed === undefined ? 'active' : '' });
    block.style.left = `${from}%`;
    block.style.width = `${width}%`;
    return block;
  });
  const marker = (lsn, label) => {
    const inside = placed.findLast(({ firstLsn }) => firstLsn <= lsn + 1);
    if (!inside) return [];
    const part = Math.min(1, Math.max(0, (lsn + 1 - inside.firstLsn) / Math.max(1, inside.end + 1 - inside.firstLsn)));
    const at = inside.left + part * inside.width;
    const mark = make('span', label, at > 80 ? { class: 'left' } : {});
    mark.style.left = `${at}%`;
    return [mark];
  };
  const marks = [
    ...(checkpoint ? marker(checkpoint.lsn, `checkpoint ${count(checkpoint.lsn)}`) : []),
    ...(held?.readers ?? []).slice(0, MARKERS).flatMap(({ name, lsn }) => marker(lsn, name)),
  ];
  map.replaceChildren(...blocks, ...marks);
  const older = olderSegments > 0 ? `${segments.length > 0 ? 'the newest ' : ''}` : '';
  const said = [
    `${older}${count(segments.length || olderSegments)} segments${segments.length > 0 ? `, ${bytes(total)}` : ', whose sizes are not known'}`,
    `from LSN ${count(files.firstLsn)}`,
    checkpoint ? `checkpoint ${count(checkpoint.epoch)} at LSN ${count(checkpoint.lsn)}` : 'no checkpoint yet',
    ...(held?.keptBy.kind === 'reader'
      ? [`kept from LSN ${count(held.floorLsn + 1)} on for the reader ${held.keptBy.name}`]
      : []),
  ];
  map.setAttribute('aria-label', `Map of segments: ${said.join(', ')}`);
  say(byId('files'), said.join(' · '));
  if (!byId('segments-details').open) return;
  const rows = placed.map(({ sequence, firstLsn, lastLsn: sealed, bytes: size, needed }) =>
    row([
      fileName(sequence),
      `${count(firstLsn)} to ${sealed === undefined ? 'now' : count(sealed)}`,
      size === undefined ? 'not known' : bytes(size),
      needed,
    ]),
  );
  byId('segments').replaceChildren(...rows.reverse());
}

function drawReaders({ held }) {
  const readers = held?.readers ?? [];
  byId('readers-section').hidden = readers.length === 0;
  say(byId('more-readers'), held?.more > 0 ? `and ${count(held.more)} more, less far behind` : '');
  byId('readers').replaceChildren(
    ...readers.map(({ name, lsn, lag, movedAt, stuck }) => {
      const line = row([name, count(lsn), count(lag), ago(Date.now() - movedAt)]);
      line.append(make('td', stuck ? 'stuck' : lag > 0 ? 'behind' : 'has all', stuck ? { class: 'stuck' } : {}));
      return line;
    }),
  );
}

function drawEntries({ entries }) {
  byId('no-entries').hidden = entries.length > 0;
  byId('entries-table').hidden = entries.length === 0;
  const body = byId('entries');
  if (body.dataset.newest === String(entries[0]?.lsn)) return;
  body.dataset.newest = String(entries[0]?.lsn);
  body.replaceChildren(
    ...entries.map(({ lsn, text, note }) => {
      const value = make('td', [make('code', text), ...(note ? [make('span', note, { class: 'note' })] : [])]);
      return make('tr', [make('td', count(lsn)), value]);
    }),
  );
}

function drawNotices({ notices, atMs }) {
  byId('notices-section').hidden = notices.length === 0;
  byId('notices').replaceChildren(
    ...[...notices]
      .reverse()
      .map(({ text, times, atMs: at }) =>
        make('li', `${ago(atMs - at)}${times > 1 ? `, ${times} times` : ''}: ${text}`),
      ),
  );
}

const ALARMS = ['poisoned', 'damaged', 'absent', 'unreadable'];

function drawStatus() {
  const status = byId('status');
  const { report, connected, paused } = state;
  const text = connected
    ? (report?.state.text ?? 'Waiting for the first report')
    : 'No connection to the server: trying again';
  say(status, paused ? `Paused. ${text}` : text);
  status.classList.toggle('alarm', !connected || ALARMS.includes(report?.state.word));
}

function draw() {
  drawStatus();
  const { report } = state;
  if (!report) return;
  say(byId('dir'), report.dir);
  document.title = `rxwal ${report.dir}`;
  byId('inside').hidden = report.source === 'process';
  byId('histograms-section').hidden = report.source !== 'process';
  drawFigures(report);
  for (const each of TIMELINES) drawTimeline(each);
  for (const each of HISTOGRAMS) drawHistogram(each);
  drawSegments(report);
  drawReaders(report);
  drawEntries(report);
  drawNotices(report);
}

// The stream.

function connect() {
  const stream = new EventSource('/events');
  stream.addEventListener('hello', ({ data }) => {
    const { points, intervalMs, history, report } = JSON.parse(data);
    Object.assign(state, {
      connected: true,
      maxPoints: points,
      intervalMs,
      points: history,
      report: report ?? state.report,
    });
    draw();
  });
  stream.addEventListener('report', ({ data }) => {
    const report = JSON.parse(data);
    state.points = [...state.points, report.point].slice(-state.maxPoints);
    // What is paused still gathers, so that there is no hole in the charts afterwards.
    if (state.paused) state.waiting = report;
    else state.report = report;
    if (!state.paused) draw();
  });
  const lost = () => {
    state.connected = false;
    drawStatus();
    // A browser comes back by itself, but for an answer that is none.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 2 * SECOND);
  };
  stream.addEventListener('bye', lost);
  stream.addEventListener('error', lost);
}

function setTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  redraw();
}

function start() {
  makeCharts();
  const theme = byId('theme');
  theme.value = localStorage.getItem('rxwal-theme') ?? 'system';
  theme.addEventListener('change', () => {
    localStorage.setItem('rxwal-theme', theme.value);
    setTheme(theme.value);
  });
  setTheme(theme.value);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  byId('pause').addEventListener('click', ({ currentTarget }) => {
    state.paused = !state.paused;
    currentTarget.setAttribute('aria-pressed', String(state.paused));
    if (!state.paused) state.report = state.waiting ?? state.report;
    draw();
  });
  byId('segments-details').addEventListener('toggle', draw);
  let resizing;
  addEventListener('resize', () => {
    clearTimeout(resizing);
    resizing = setTimeout(redraw, 100);
  });
  connect();
}

start();
