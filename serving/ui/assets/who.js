// Who is signed in, in the head of every page, and a button to sign out.
const place = element.querySelector('.mz-who');

async function signOut() {
  await fetch('/sign-out', { method: 'POST', credentials: 'same-origin', redirect: 'manual' });
  location.assign('/sign-in');
}

call('GET', '/me').then((me) => {
  const button = me.account ? make('button', { type: 'button', onclick: signOut }, 'Sign out') : null;
  place.replaceChildren(make('span', {}, make('span', { class: 'mz-as' }, 'signed in as '), make('b', {}, me.name)), ...[button].filter(Boolean));
  place.hidden = false;
}).catch(() => {});  // who is not signed in is on the way to the sign-in page
