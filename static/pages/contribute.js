// Shows what an amount becomes while it is chosen. The form works without this: the next page shows the same.
const QUIET_MS = 250;

const DOLLARS = {style: 'currency', currency: 'USD', trailingZeroDisplay: 'stripIfInteger'};
const dollars = cents => (cents / 100).toLocaleString('en-US', DOLLARS);
const credits = count => `${count.toLocaleString('en')} ${count === 1 ? 'credit' : 'credits'}`;

/** The cents that are chosen or typed; null where the server has to say what is wrong. */
function centsOf(form) {
  const typed = form.elements.amount.value.trim();
  if (typed === '') return Number(new FormData(form).get('preset')) || null;
  const [, whole, rest = ''] = /^\$? ?(\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.(\d{1,2}))?$/.exec(typed) ?? [];
  return whole === undefined ? null : Number(whole.replaceAll(',', '')) * 100 + Number(rest.padEnd(2, '0'));
}

function textOf(rows) {
  const [first, second] = rows;
  if (second) return `${dollars(first.amount)} finishes the goal, ${dollars(second.amount)} buys ${credits(second.credits)}.`;
  if (first.type === 'ACTIVATION') return `${dollars(first.amount)} goes toward the activation.`;
  return `${dollars(first.amount)} buys ${credits(first.credits)}.`;
}

async function quote(form, signal) {
  const amount = centsOf(form);
  if (amount === null) return '';
  const {channel, min, max} = form.dataset;
  if (amount < min || amount > max) return `A contribution is at least ${dollars(min)} and at most ${dollars(max)}.`;
  const answer = await fetch(`/api/channels/${channel}/contributions/quote`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({type: new FormData(form).get('type'), amount}),
    signal,
  });
  const told = await answer.json();
  return answer.ok ? textOf(told.rows) : told.detail;
}

function follow(form) {
  const output = form.querySelector('[data-quote]');
  let timer, asked;
  const show = async () => {
    asked?.abort();
    asked = new AbortController();
    try {
      output.textContent = await quote(form, asked.signal);
      output.hidden = false;
    } catch (error) {
      if (error.name !== 'AbortError') output.hidden = true; // the next page says it
    }
  };
  form.addEventListener('input', ({target}) => {
    if (target.name === 'preset') form.elements.amount.value = '';
    if (target.name === 'displayName') return;
    clearTimeout(timer);
    timer = setTimeout(show, QUIET_MS);
  });
  show();
}

document.querySelectorAll('form.contribute').forEach(follow);
