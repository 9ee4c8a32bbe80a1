// Looks whether a payment has arrived, and shows the page anew when it has. Without this there is a link that does.
const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;
const GIVE_UP_MS = 600_000;

const {contribution, contributionStatus} = document.querySelector('main').dataset;
const until = Date.now() + GIVE_UP_MS;

async function look(waitMs) {
  if (Date.now() > until) return;
  if (document.visibilityState === 'visible') {
    const answer = await fetch(`/api/contributions/${contribution}`).catch(() => null);
    if (answer?.ok && (await answer.json()).status !== contributionStatus) {
      location.reload();
      return;
    }
  }
  setTimeout(look, waitMs, Math.min(waitMs * 1.5, LONGEST_MS));
}

setTimeout(look, FIRST_MS, FIRST_MS);
