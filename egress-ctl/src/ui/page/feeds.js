// What Microsoft's list would change, and the decision about it.

const DECIDING = 60000;
const SIGNS = { added: '+', removed: '−', changed: '' };

const change = ({ id, area, category, kind, what, note }) =>
  make('li', { class: kind }, `${SIGNS[kind]}${kind === 'changed' ? '' : ' '}${what}`,
    make('span', { class: 'soft' }, ` id ${id} ${area}/${category}${note ? `, ${note}` : ''}`));

function facts(status) {
  const { source, instance, version, approved, poll, refusal, quarantine, warnings } = status;
  const line = (text, kind) => (text ? make('p', { class: kind ?? null }, text) : null);
  return [
    make('h3', {}, named(source), make('span', { class: 'soft' }, ` ${instance}`)),
    line(`approved: ${version ? `version ${version}` : 'what egress brings along'}${approved ? `, ${moment(approved.at)}` : ''}; asked ${moment(poll.last)}, next ${moment(poll.next)}`),
    refusal ? line(`REFUSED: ${refusal.reason}`, 'alarm bad') : null,
    poll.fault ? line(`fails since ${poll.failures} times: ${poll.fault}`, 'alarm warn') : null,
    ...warnings.map((warning) => line(warning, 'alarm warn')),
    quarantine.length > 0 ? line(`in quarantine: ${plural(quarantine.length, 'part', 'parts')}, until ${moment(quarantine.map((part) => part.until).sort()[0])} at first`) : null,
  ].filter(Boolean);
}

// The first press asks, the second one does.
function sureButton(kind, text, sure, done) {
  const button = make('button', { type: 'button', class: kind }, text);
  let asked = false;
  const rest = () => {
    asked = false;
    put(button, text);
  };
  button.addEventListener('click', () => {
    if (asked) {
      rest();
      done(button);
      return;
    }
    asked = true;
    put(button, sure);
  });
  button.addEventListener('blur', rest);
  return button;
}

async function decide(decision, source, version, buttons) {
  for (const button of buttons) button.disabled = true;
  put($('feeds-said'), `${decision}: asking the gateway`);
  try {
    const query = new URLSearchParams({ source, version });
    const told = await ask(`/api/feeds/${decision}?${query}`, { method: 'POST', token: $('token').value.trim(), patience: DECIDING });
    put($('feeds-said'), told.said.trim());
    page.lookAtFeeds();
  } catch (fault) {
    put($('feeds-said'), make('span', { class: 'fault' }, `not done: ${fault.message}`));
  }
  for (const button of buttons) button.disabled = false;
}

function decisions(source, diff) {
  if (!page.decides) {
    return [make('p', { class: 'note' }, 'To decide here, name a token-file in [ui]. By command: ', make('code', {}, `egress-ctl feed approve ${source}`))];
  }
  const changes = plural(diff.changes.length, 'change', 'changes');
  const token = make('input', { type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false' });
  const buttons = [
    sureButton('yes', 'Approve', `Let ${changes} in: sure?`, () => decide('approve', source, diff.candidate, buttons)),
    sureButton('no', 'Reject', `Do without ${changes}: sure?`, () => decide('reject', source, diff.candidate, buttons)),
  ];
  const form = make('form', { class: 'decide', autocomplete: 'off' }, make('label', {}, 'Token ', token), buttons);
  form.addEventListener('submit', (event) => event.preventDefault());
  return [form];
}

function feed({ status, diff }) {
  const waits = diff.candidate
    ? [
      make('p', {}, make('strong', {}, `version ${diff.candidate} waits`), `: ${diff.waits.join(' and ')}, ${plural(diff.changes.length, 'change', 'changes')}`),
      make('ul', { class: 'changes mono', tabindex: '0', role: 'list', 'aria-label': `Changes of ${status.source}` }, diff.changes.map(change)),
      ...decisions(status.source, diff),
    ]
    : [make('p', { class: 'soft' }, 'nothing waits')];
  return make('article', { class: 'feed' }, ...facts(status), ...waits);
}

async function lookAtFeeds() {
  const { feeds, fault } = await ask('/api/feeds');
  const { poll: _, ...rest } = { poll: null, feeds, fault, decides: page.decides };
  putOnce($('feeds-list'), JSON.stringify(rest), () =>
    (fault ? [make('p', { class: 'soft' }, fault)] : feeds.map(feed)));
}
