// The link to the gateway: asks, and says since when there is no answer.

const PATIENCE = 8000;
const AGAIN = 1000;

const link = { brokenSince: null, why: '' };

// What the gateway says instead of an answer.
class Refused extends Error {}

async function ask(path, { method = 'GET', token = null, patience = PATIENCE } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const asked = { method, headers, cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(patience) };
  const response = await fetch(path, asked);
  const body = await response.json();
  if (!response.ok) throw new Refused(body.error);
  return body;
}

function showLink() {
  const broken = link.brokenSince !== null;
  document.body.classList.toggle('stale', broken);
  $('link').className = `link ${broken ? 'broken' : 'live'}`;
  const since = () => `${clock(link.brokenSince)} (${span((Date.now() - link.brokenSince) / 1000)})`;
  const text = broken ? `reconnecting since ${since()}${link.why ? `: ${link.why}` : ''}` : 'live';
  if ($('link').textContent !== text) put($('link'), text);
}

function answered() {
  link.brokenSince = null;
  showLink();
}

function unanswered(fault) {
  link.brokenSince ??= Date.now();
  link.why = fault instanceof Refused ? fault.message : '';
  showLink();
}

// Looks again and again: after `pause` where there was an answer, soon where there was none. What looks ends at
// once where `again` is called meanwhile, and looks anew.
function follow(pause, look) {
  let wake = () => {};
  const rest = (time) => new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, time);
  });
  (async () => {
    for (;;) {
      let waits = pause;
      try {
        await look();
        answered();
      } catch (fault) {
        unanswered(fault);
        waits = AGAIN;
      }
      await rest(waits);
    }
  })();
  return () => wake();
}
