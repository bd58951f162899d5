// Rates over time, stacked, as inline SVG.

const WIDE = 560;
const HIGH = 130;
const LEFT = 38;
const BELOW = 16;
const KINDS = 6;

// The next number that reads well: 1, 2 or 5 times a power of ten.
function ceiling(number) {
  if (number <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= number);
}

// The largest series by themselves, all others as one.
function largest(series) {
  const sum = ({ points }) => points.reduce((total, point) => total + point, 0);
  const sorted = series.filter((one) => one.points.some((point) => point > 0)).sort((a, b) => sum(b) - sum(a));
  if (sorted.length <= KINDS) return sorted;
  const rest = sorted.slice(KINDS - 1);
  const points = rest[0].points.map((_, i) => rest.reduce((total, one) => total + (one.points[i] ?? 0), 0));
  return [...sorted.slice(0, KINDS - 1), { name: `${rest.length} others`, points }];
}

// Each series above those before it.
function stacked(series, length) {
  let base = new Array(length).fill(0);
  return series.map((one) => {
    const top = base.map((below, i) => below + (one.points[i] ?? 0));
    const layer = { ...one, base, top };
    base = top;
    return layer;
  });
}

// Places of points without a pause: while nobody looked, there is nothing to draw.
const PAUSE = 10000;
function runs(times) {
  const all = [];
  times.forEach((time, i) => {
    if (i === 0 || time - times[i - 1] > PAUSE) all.push([]);
    all.at(-1).push(i);
  });
  return all;
}

function plot(figure, { title, series, letter, times, ended }) {
  const length = times.length;
  const layers = stacked(largest(series), length);
  const totals = layers.at(-1)?.top ?? new Array(length).fill(0);
  const high = ceiling(Math.max(0, ...totals));
  const from = times[0] ?? 0;
  const until = Math.max(times.at(-1) ?? 1, from + 1);
  const x = (time) => LEFT + ((time - from) / (until - from)) * (WIDE - LEFT);
  const y = (value) => HIGH - (value / high) * (HIGH - 8);
  const spot = (value, i) => `${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`;
  const area = ({ base, top }) => runs(times).map((run) => {
    const over = run.map((i) => spot(top[i], i));
    const under = run.map((i) => spot(base[i], i)).reverse();
    return `M${[...over, ...under].join('L')}Z`;
  }).join('');
  const plain = layers.filter((layer) => !layer.kind);
  const kind = (layer) => layer.kind ?? `${letter}${plain.indexOf(layer)}`;
  const now = totals.at(-1) ?? 0;
  const peak = Math.max(0, ...totals);
  const label = `${title}, packets a second over the last ${span((until - from) / 1000)}: now ${count(now)}, at most ${count(peak)}`;
  const cursor = draw('line', { class: 'cursor', y1: 0, y2: HIGH, visibility: 'hidden' });
  const picture = draw('svg', { viewBox: `0 0 ${WIDE} ${HIGH + BELOW}`, role: 'img', 'aria-label': label },
    [0, 0.5, 1].map((part) => draw('line', { class: 'grid', x1: LEFT, x2: WIDE, y1: y(high * part), y2: y(high * part) })),
    [0, 0.5, 1].map((part) => draw('text', { x: LEFT - 5, y: y(high * part) + 4, 'text-anchor': 'end' }, count(high * part))),
    length > 1 ? layers.map((layer) => draw('path', { class: kind(layer), d: area(layer) })) : [],
    draw('text', { x: LEFT, y: HIGH + BELOW - 2 }, length > 1 ? clock(from) : 'the first figures come in a moment'),
    draw('text', { x: WIDE, y: HIGH + BELOW - 2, 'text-anchor': 'end' }, length > 1 ? `${clock(until)}${ended ? '' : ' now'}` : ''),
    cursor);
  const values = make('ul', { class: 'legend' });
  const legend = (i) => put(values, layers.map((layer) => make('li', {},
    draw('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true' }, draw('rect', { class: kind(layer), width: 10, height: 10 })),
    named(layer.name), ` ${count(layer.points[i] ?? 0)}`)));
  const caption = make('span');
  const tell = (i) => {
    put(caption, i === length - 1 ? `now ${count(now)}, at most ${count(peak)}` : `${clock(times[i])}: ${count(totals[i])}`);
    legend(i);
  };
  tell(length - 1);
  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const at = from + ((event.clientX - box.left) / box.width * WIDE - LEFT) / (WIDE - LEFT) * (until - from);
    const i = times.findLastIndex((time) => time <= at);
    if (i < 0) return;
    cursor.removeAttribute('visibility');
    cursor.setAttribute('x1', x(times[i]));
    cursor.setAttribute('x2', x(times[i]));
    tell(i);
  });
  picture.addEventListener('pointerleave', () => {
    cursor.setAttribute('visibility', 'hidden');
    tell(length - 1);
  });
  put(figure, make('figcaption', {}, title, caption), picture, values);
}
