// What the pages' scripts share: asking the server. No answer of it is kept in the browser's storage.
const API = '/v1/annotations';

// The reply as JSON; an Error whose message is fit to be shown, with the status if there was a reply. Who is
// not signed in is sent to sign in, unless the page `stays` because it holds what is not saved yet.
async function call(method, path, body, { stays = false } = {}) {
  const options = { method, credentials: 'same-origin', cache: 'no-store', headers: {} };
  if (stays) options.signal = AbortSignal.timeout(20000);
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers['Content-Type'] = 'application/json';
  }
  const reply = await fetch(path.startsWith('/v1/') ? path : API + path, options).catch((fault) => {
    throw new TypeError('The server does not answer. Try again in a moment.', { cause: fault });
  });
  if (reply.status === 401 && !stays) {
    location.assign(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
    return new Promise(() => {}); // the page is on its way out
  }
  const said = reply.headers.get('content-type')?.startsWith('application/json') ? await reply.json() : null;
  if (!reply.ok) throw faultOf(reply.status, said, reply.statusText);
  return said;
}

// Words of a program as a sentence; a file, a command or a number that stands first stays as it is.
function sentence(words) {
  const begun = /^(?!medzoo )[a-z]+[ ,:]/.test(words) ? words[0].toUpperCase() + words.slice(1) : words;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

// What a refusal says, as an Error: with its status, the field that is wrong and the bare message.
function faultOf(status, said, otherwise) {
  const words = [said?.error?.message, said?.error?.hint].filter(Boolean).map(sentence).join(' ');
  const fault = new Error(words || otherwise || `The server replied ${status}.`);
  return Object.assign(fault, { status, param: said?.error?.param, told: said?.error?.message });
}

// The reply, asked for again while the server is away or busy; `told()` hears of each time. What stands before
// a server that is away says 502 or 504 for it.
async function untilAnswered(ask, told) {
  for (;;) {
    try {
      return await ask();
    } catch (fault) {
      if (fault.status && ![408, 429, 502, 503, 504].includes(fault.status)) throw fault;
      told();
      await new Promise((done) => { setTimeout(done, 2000); });
    }
  }
}

// What a function of the page said; Gradio gives nothing where the server did not answer.
async function answered(asking) {
  const said = await asking;
  if (!said) throw new Error('The server does not answer. Try again in a moment.');
  if (said.problem) throw new Error(said.problem);
  return said;
}

// An element: make('p', { class: 'mz-x', onclick: f }, 'text', child).
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

// How far something is, as a bar and in words.
function bar(done, of, words) {
  const share = of ? Math.round((100 * done) / of) : 0;
  return make('div', { class: 'mz-bar' },
    make('div', { class: 'mz-bar-track', 'aria-hidden': 'true' }, make('i', { style: `width:${share}%` })),
    make('span', {}, words));
}

// What went wrong, loudly.
const failed = (fault) => make('p', { class: 'mz-problem', role: 'alert' }, fault.message);
