// What the pages' scripts share: asking the server. No answer of it is kept in the browser's storage.
const API = '/v1/annotations';

// The reply as JSON; an Error whose message is fit to be shown. Who is not signed in is sent to sign in.
async function call(method, path, body) {
  const options = { method, credentials: 'same-origin', cache: 'no-store', headers: {} };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers['Content-Type'] = 'application/json';
  }
  const reply = await fetch(API + path, options);
  if (reply.status === 401) {
    location.assign(`/sign-in?to=${encodeURIComponent(location.pathname)}`);
    throw new Error('You are not signed in.');
  }
  const said = reply.headers.get('content-type')?.startsWith('application/json') ? await reply.json() : null;
  if (!reply.ok) {
    const fault = new Error([said?.error?.message, said?.error?.hint].filter(Boolean).join('. ') || reply.statusText);
    fault.status = reply.status;
    throw fault;
  }
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
