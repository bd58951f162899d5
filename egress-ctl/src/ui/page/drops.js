// What did not pass, or would not: a row for each client, destination and reason, new ones first; and why.

const ROWS = 300;

const drops = { instance: null, after: 0, filter: '', rows: new Map(), waiting: [], seen: new Set(), open: null };

const isRead = () => drops.open !== null || $('drops-rows').contains(document.activeElement);

function destination({ destination: address, name, mac }) {
  if (!address) return make('td', {}, 'not to be parsed, from ', named(mac));
  return make('td', {}, name ? [named(name), make('br'), make('span', { class: 'soft mono' }, address)] : make('span', { class: 'mono' }, address));
}

// A row, and what changes in it as the same comes again.
function newRow(drop) {
  const { event } = drop;
  const opens = make('button', { type: 'button', class: 'opens', 'aria-expanded': 'false' });
  const again = make('span', { class: 'soft' });
  const line = make('tr', { class: 'row' },
    make('td', {}, opens),
    make('td', {}, make('span', { class: 'mono' }, event.client ?? event.mac), ' ', make('span', { class: 'soft' }, named(event.group ?? 'no group'))),
    destination(event),
    make('td', {}, drop.service),
    make('td', {}, make('span', { class: `verdict ${event.action}` }, event.action), ` ${event.reason} `, again));
  const row = { drop, line, opens, again, count: 0, more: 0, first: event.time };
  line.addEventListener('click', (click) => {
    // Who marks a text to copy it does not mean to open anything.
    if (click.target !== opens && String(getSelection()) !== '') return;
    toggle(row);
  });
  return row;
}

const sameness = ({ service, event }) =>
  JSON.stringify([event.client ?? event.mac, event.group, event.destination, event.name, service, event.action, event.reason]);

function takeDrop(drop) {
  const key = sameness(drop);
  let row = drops.rows.get(key);
  if (!row) {
    row = newRow(drop);
    drops.rows.set(key, row);
    drops.waiting.push(row);
  }
  row.drop = drop;
  row.count += 1;
  row.more += drop.event.suppressed;
  put(row.opens, moment(drop.event.time));
  put(row.again, row.count > 1 ? `${count(row.count)} times since ${moment(row.first)}` : null,
    row.more > 0 ? `, ${count(row.more)} more of this client and reason` : null);
}

function close() {
  if (drops.open === null) return;
  const { row, told } = drops.open;
  drops.open = null;
  told.remove();
  row.line.classList.remove('open');
  row.opens.setAttribute('aria-expanded', 'false');
}

async function toggle(row) {
  const wasOpen = drops.open?.row === row;
  close();
  if (wasOpen) return showDrops();
  const place = make('div', { class: 'told', role: 'status' }, make('p', { class: 'note' }, 'asking the gateway'));
  const told = make('tr', { class: 'open' }, make('td', { colspan: 5 }, place));
  row.line.after(told);
  row.line.classList.add('open');
  row.opens.setAttribute('aria-expanded', 'true');
  drops.open = { row, told };
  put(place, await explained(row.drop));
}

const command = (text) => make('p', { class: 'note' }, 'The same: ', make('code', {}, text));

async function explained({ because, ask: asked, event }) {
  const head = make('h3', {}, `${event.action}: ${because}`);
  if (!asked) return [head, make('p', {}, 'What could not be parsed, or has no such packet, cannot be asked about again.')];
  try {
    const told = await ask(`/api/explain?${new URLSearchParams(asked)}`);
    return [head, lines(told.text), command(told.command)];
  } catch (fault) {
    return [head, lines(fault.message || String(fault))];
  }
}

function showDrops() {
  if (drops.waiting.length > 0 && !isRead()) {
    $('drops-rows').prepend(...drops.waiting.map(({ line }) => line).reverse());
    drops.waiting = [];
    forgetOldest();
  }
  const waiting = drops.waiting.length;
  $('drops-new').hidden = waiting === 0;
  if (waiting > 0) put($('drops-new'), `${plural(waiting, 'new one', 'new ones')}: show`);
}

function forgetOldest() {
  const oldest = [...drops.rows].sort(([, a], [, b]) => Date.parse(a.drop.event.time) - Date.parse(b.drop.event.time));
  for (const [key, { line }] of oldest.slice(0, Math.max(0, oldest.length - ROWS))) {
    line.remove();
    drops.rows.delete(key);
  }
}

function showDropsNote({ fault, since, lost, missed }) {
  const parts = [
    fault,
    !fault && drops.rows.size === 0 ? `nothing${drops.filter ? ' that this filter means' : ''} since ${moment(since)}` : null,
    !fault && drops.rows.size > 0 ? `since ${moment(since)}; a click explains one` : null,
    missed > 0 ? `${plural(missed, 'older event is', 'older events are')} not shown` : null,
    lost > 0 ? `${plural(lost, 'event', 'events')} came faster than they were read` : null,
  ];
  const text = parts.filter(Boolean).join('; ');
  putOnce($('drops-note'), text, () => [text]);
}

function forgetDrops() {
  close();
  Object.assign(drops, { after: 0, rows: new Map(), waiting: [], seen: new Set() });
  put($('drops-rows'));
}

async function lookAtDrops() {
  const { filter } = drops;
  const asked = { after: drops.after, ...(drops.instance ? { instance: drops.instance } : {}), ...(filter ? { filter } : {}) };
  let told;
  try {
    told = await ask(`/api/drops?${new URLSearchParams(asked)}`);
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault;
    showFilterFault(fault.message);
    return;
  }
  if (filter !== drops.filter) return;
  showFilterFault('');
  drops.instance = told.instance;
  drops.after = told.next;
  for (const drop of told.drops) {
    const key = `${told.instance}/${drop.number}`;
    if (drops.seen.has(key)) continue;
    drops.seen.add(key);
    takeDrop(drop);
  }
  showDrops();
  showDropsNote(told);
}

function showFilterFault(text) {
  $('filter-fault').hidden = text === '';
  $('filter').setAttribute('aria-invalid', text === '' ? 'false' : 'true');
  putOnce($('filter-fault'), text, () => [...lines(text).childNodes]);
}

function beginDrops() {
  const look = follow(1000, lookAtDrops);
  const filter = () => {
    if ($('filter').value.trim() === drops.filter) return;
    drops.filter = $('filter').value.trim();
    forgetDrops();
    look();
  };
  $('filter-form').addEventListener('submit', (event) => {
    event.preventDefault();
    filter();
  });
  $('filter').addEventListener('search', filter);
  $('drops-new').addEventListener('click', () => {
    close();
    $('drops').focus({ preventScroll: true });
    showDrops();
  });
}
