// Says whether a username is free while it is typed. Without this script the form says it when it is sent.
const PAUSE_MS = 300;

const field = document.querySelector('[data-username]');
const told = document.getElementById('username-state');
let timer = 0;
let asked = '';

async function ask(name) {
  try {
    const answer = await fetch(`/api/usernames/${encodeURIComponent(name)}`, {headers: {accept: 'application/json'}});
    if (!answer.ok) return null; // too many questions, or no connection to the database: the form decides
    return await answer.json();
  } catch {
    return null;
  }
}

async function look() {
  const name = field.value.trim();
  asked = name;
  if (!name || name === field.dataset.current) {
    told.replaceChildren();
    return;
  }
  const answer = await ask(name);
  if (asked !== name) return; // more was typed meanwhile
  told.dataset.state = answer?.state ?? '';
  told.replaceChildren(answer?.message ?? '');
}

field.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE_MS);
});
