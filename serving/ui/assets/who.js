// Who is signed in, in the head of every page, a way to another password, and a button to sign out. The page of
// work lists is in the bar of those alone who may make some.
const place = element.querySelector('.mz-who');
const root = document.documentElement;
let name;

async function signOut() {
  await fetch('/sign-out', { method: 'POST', credentials: 'same-origin', redirect: 'manual' });
  location.assign('/sign-in');
}

// The page to come back to is the one that is shown at the click.
function toPassword({ currentTarget }) {
  currentTarget.href = `/password?to=${encodeURIComponent(location.pathname + location.search)}`;
}

call('GET', '/me').then((me) => {
  name = me.name;
  root.dataset.role = me.role;
  const link = me.password ? make('a', { href: '/password', onclick: toPassword }, 'Password') : null;
  const button = me.account ? make('button', { type: 'button', onclick: signOut }, 'Sign out') : null;
  place.replaceChildren(make('span', {}, make('span', { class: 'mz-as' }, 'signed in as '), make('b', {}, me.name)), ...[link, button].filter(Boolean));
  place.hidden = false;
}).catch(() => {});  // who is not signed in is on the way to the sign-in page

// What a browser keeps of a page for its button Back it shows again only to whom it was shown.
let display;
addEventListener('pagehide', ({ persisted }) => {
  if (!persisted) return;
  ({ display } = root.style);
  root.style.display = 'none';
});
addEventListener('pageshow', async ({ persisted }) => {
  if (!persisted) return;
  const me = await call('GET', '/me').catch(() => null);
  if (me && me.name === name) root.style.display = display;
  else location.reload();
});
