// How the gateway is, and what goes through it.

// What was plotted so far. A gateway that starts anew begins at nothing; what was here stays.
const KEPT = 450;
const series = { times: [], groups: new Map(), sets: new Map(), reasons: new Map() };

// Adds points to what there is by name; whoever is not named had none.
function extend(known, added, before, count) {
  for (const { name, kind, points } of added) {
    const one = known.get(name) ?? { name, kind, points: new Array(before).fill(0) };
    one.points.push(...points);
    known.set(name, one);
  }
  for (const [name, one] of known) {
    while (one.points.length < before + count) one.points.push(0);
    one.points.splice(0, one.points.length - KEPT);
    if (one.points.every((point) => point === 0)) known.delete(name);
  }
}

function takePoints({ times, groups, sets, reasons }) {
  const before = series.times.length;
  const of = (group) => group ?? '(no group)';
  const parts = (part, kind, more) => groups.map((one) => ({ name: `${of(one.group)}${more}`, part, kind, points: one[part] }));
  extend(series.groups, [
    ...parts('allowed', null, ''),
    ...parts('denied', null, ' '),
    ...parts('would_drop', 'would', ' would drop'),
  ].map((one) => ({ ...one, name: `${one.part}/${one.name}` })), before, times.length);
  extend(series.sets, sets.map(({ set, packets }) => ({ name: set, points: packets })), before, times.length);
  extend(series.reasons, reasons.map(({ action, reason, packets }) => ({
    name: action === 'would-drop' ? `${reason} (would drop)` : reason,
    kind: action === 'would-drop' ? 'would' : null,
    points: packets,
  })), before, times.length);
  series.times.push(...times);
  series.times.splice(0, series.times.length - KEPT);
}

const groupSeries = (...parts) =>
  parts.flatMap((part) => [...series.groups.values()]
    .filter(({ name }) => name.startsWith(`${part}/`))
    .map((one) => ({ ...one, name: one.name.slice(part.length + 1).trim() })));

function showPlots() {
  const by = document.querySelector('input[name=by]:checked').value;
  const bySet = by === 'set';
  const { times } = series;
  plot($('plot-allowed'), {
    title: bySet ? 'Allowed, by endpoint set' : 'Allowed, by group',
    series: bySet ? [...series.sets.values()] : groupSeries('allowed'),
    letter: 's',
    times,
  });
  plot($('plot-denied'), {
    title: bySet ? 'Not allowed, by reason' : 'Not allowed, by group',
    series: bySet ? [...series.reasons.values()] : groupSeries('denied', 'would_drop'),
    letter: 'd',
    times,
  });
}

function showForce({ gateway }, host) {
  put($('host'), named(host));
  document.title = `${gateway.mode} · ${host} · egress`;
  $('mode').className = `badge ${gateway.mode}`;
  putOnce($('mode'), gateway.mode, () => [gateway.mode]);
  const { generation, loaded } = gateway;
  putOnce($('force'), `${generation}/${loaded}`, () => [`generation ${generation} since ${moment(loaded)}`]);
}

// What ticks in a text is no news to whoever is told of news.
function showAlarms(alarms) {
  const alarm = ({ level, loud, text, more }) => {
    const kind = `alarm ${level}${loud ? ' loud' : ''}`;
    if (more.length === 0) return make('p', { class: kind }, text);
    return make('details', { class: kind }, make('summary', {}, text), make('ul', {}, more.map((one) => make('li', {}, one))));
  };
  putOnce($('alarms'), JSON.stringify(alarms), () => alarms.map(alarm));
  putOnce($('alarms-said'), JSON.stringify(alarms.map(({ kind }) => kind)), () => alarms.map(({ text }) => `${text}. `));
}

function figure(name, value, small, kind = '') {
  return make('div', { class: kind }, make('dt', {}, name), make('dd', {}, value, make('small', {}, ` ${small}`)));
}

function room(name, { used, limit }) {
  const part = used / limit;
  const kind = part > 0.9 ? 'bad' : part > 0.75 ? 'warn' : '';
  const bar = make('meter', { min: 0, max: limit, high: limit * 0.75, optimum: 0, value: used, 'aria-label': name });
  return make('div', { class: kind }, make('dt', {}, name),
    make('dd', {}, count(used), make('small', {}, ` of ${count(limit)}`)), bar);
}

function feedsFigure(feeds) {
  const refused = feeds.some((feed) => feed.refused);
  const waits = feeds.filter((feed) => feed.waits).length;
  const failing = feeds.some((feed) => feed.failures > 0);
  const answered = feeds.map((feed) => feed.answered).filter(Boolean).sort()[0];
  const small = answered ? `asked ${moment(answered)}` : 'not asked yet';
  put($('feeds-mark'), waits > 0 ? ` (${waits})` : '');
  if (refused) return figure('Feed', 'refused', small, 'bad');
  if (waits > 0) return figure('Feed', `${waits} wait${waits === 1 ? 's' : ''}`, 'for approval', 'warn');
  if (failing) return figure('Feed', 'fails', small, 'warn');
  return figure('Feed', feeds.length > 0 ? 'current' : 'none', feeds.length > 0 ? small : 'is followed');
}

function showFigures({ total, gateway }) {
  const rate = (name, { packets, packets_per_second: now }, kind) =>
    figure(name, `${count(now)}/s`, `${count(packets)} in all`, now > 0 ? kind : '');
  const daemon = gateway.daemon
    ? figure('Daemon', 'running', `since ${moment(gateway.daemon.started * 1000)}`)
    : figure('Daemon', 'not running', 'what is attached goes on', 'bad');
  put($('figures'),
    rate('Allowed', total.allowed, 'good'),
    rate('Denied', total.denied, 'bad'),
    rate('Would drop', total.would_drop, 'warn'),
    room('Learned addresses', gateway.learned),
    room('Connections to them', gateway.connections),
    feedsFigure(gateway.feeds),
    daemon);
}

function table(place, caption, head, rows) {
  const cell = (name) => (text, i) => make(name, { class: i > 0 ? 'n' : null, scope: name === 'th' ? 'col' : null }, text);
  put(place, make('caption', {}, caption), make('thead', {}, make('tr', {}, head.map(cell('th')))),
    make('tbody', {}, rows.map((row) => make('tr', {}, row.map(cell('td'))))));
}

function showTables({ groups, sets }) {
  const rate = ({ packets, packets_per_second: now }) => `${count(packets)} (${count(now)}/s)`;
  table($('groups'), 'Groups, packets', ['group', 'allowed', 'denied', 'would drop', 'replies'],
    groups.map((one) => [named(one.group ?? '(no group)'), rate(one.allowed), rate(one.denied), rate(one.would_drop), rate(one.replies)]));
  table($('sets'), 'Endpoint sets, packets', ['endpoint set', 'sent', 'replies'],
    [...sets].sort((a, b) => b.sent.packets - a.sent.packets)
      .map((one) => [named(one.set), rate(one.sent), rate(one.replies)]));
}

async function lookAtOverview() {
  const after = series.times.at(-1);
  const told = await ask(`/api/overview${after === undefined ? '' : `?after=${after}`}`);
  takePoints(told);
  showAlarms(told.alarms);
  page.decides = told.decides;
  if (!told.live.gateway) return;
  showForce(told.live, told.host);
  showFigures(told.live);
  showPlots();
  if ($('tables').open) showTables(told.live);
  page.live = told.live;
}
