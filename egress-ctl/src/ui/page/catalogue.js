// Endpoint sets, by what they hold.

const HELD = 400;

function held(set) {
  const list = (title, all) => (all.length === 0 ? [] : [
    make('h3', {}, `${title} (${all.length})`),
    make('p', { class: 'mono' }, all.slice(0, HELD).flatMap((one, i) => [i > 0 ? ' · ' : null, named(one)]),
      all.length > HELD ? ` and ${all.length - HELD} more` : null),
  ]);
  const notes = [set.description, set.lost ? `Lost without it: ${set.lost}` : null, set.notes, set.document ? `Listed in ${set.document}` : null];
  return [...notes.filter(Boolean).map((text) => make('p', {}, text)), ...list('Names', set.urls), ...list('Prefixes', set.ips)];
}

function setRows({ set, via, groups }) {
  const opens = make('button', { type: 'button', class: 'opens', 'aria-expanded': 'false' }, named(set.key));
  const ports = [['tcp', set.tcpPorts], ['udp', set.udpPorts]].filter(([, ports]) => ports);
  const line = make('tr', { class: 'row' },
    make('td', {}, opens, via ? [make('br'), make('span', { class: 'soft' }, 'by ', named(via))] : null),
    make('td', {}, `${set.category}${set.required ? ', required' : ''}`),
    make('td', {}, ports.map(([name, ports]) => `${name} ${ports}`).join(', ') || 'none'),
    make('td', {}, `${plural(set.urls.length, 'name', 'names')}, ${plural(set.ips.length, 'prefix', 'prefixes')}`),
    make('td', {}, set.description, groups.length > 0 ? make('span', { class: 'soft' }, ' for ', groups.map((name, i) => [i > 0 ? ', ' : null, named(name)])) : make('span', { class: 'soft' }, ' for no group')));
  let told = null;
  line.addEventListener('click', (click) => {
    if (click.target !== opens && String(getSelection()) !== '') return;
    opens.setAttribute('aria-expanded', String(told === null));
    if (told) {
      told.remove();
      told = null;
      return;
    }
    told = make('tr', { class: 'open' }, make('td', { colspan: 5 }, make('div', { class: 'told' }, held(set))));
    line.after(told);
  });
  return line;
}

async function search() {
  const text = $('search').value.trim();
  try {
    const { sets, total, found } = await ask(`/api/catalogue?${new URLSearchParams(text ? { search: text } : {})}`);
    const more = found > sets.length ? `, of which the first ${sets.length} are shown` : '';
    put($('catalogue-note'), text ? `${plural(found, 'set', 'sets')} of ${total} for “${text}”${more}` : `${total} endpoint sets in force${more}`);
    put($('catalogue-rows'), sets.map(setRows));
  } catch (fault) {
    put($('catalogue-note'), `no answer: ${fault.message}`);
  }
}

function beginCatalogue() {
  $('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    search();
  });
  $('search').addEventListener('search', () => {
    if ($('search').value === '') search();
  });
  search();
}
