// Clicks on their way to the server: in memory, in order, one at a time, sent again until the server has
// each. Every one has an id of its own, so that the server keeps it once. Knows nothing of what a click means.
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];
const TYPING_MS = 800;
const PASSING = [401, 408, 425, 429];

// `rater` is whose clicks these are; `told({ waiting, tries, why })` hears of every change; `refused(fault)`
// hears of a click that the server will never take.
function saver({ rater, told, refused }) {
  const queue = [];
  const typed = new Map();
  let waiters = [];
  let running = false;
  let tries = 0;
  let why = '';
  let doubt = false;
  let wake = () => {};

  const waiting = () => queue.length + typed.size;
  const tell = () => told({ waiting: waiting(), tries, why });

  // Someone else may have signed in, in another window, while this one was left.
  addEventListener('blur', () => { doubt = true; });
  addEventListener('online', () => wake());
  addEventListener('focus', () => wake());
  addEventListener('beforeunload', (event) => {
    if (waiting()) event.preventDefault();
  });

  async function send({ path, click }) {
    if (doubt) {
      const { name } = await call('GET', '/me', undefined, { stays: true });
      if (name !== rater) throw new Error(`${name} is signed in now. Sign in as ${rater} in another tab.`);
      doubt = false;
    }
    await call('POST', path, click, { stays: true });
  }

  function pause() {
    const mine = PAUSES_MS[Math.min(tries, PAUSES_MS.length) - 1];
    return new Promise((done) => {
      const timer = setTimeout(done, mine);
      wake = () => { clearTimeout(timer); done(); };
    });
  }

  async function run() {
    if (running) return;
    running = true;
    while (queue.length) {
      try {
        await send(queue[0]);
        queue.shift();
        tries = 0;
      } catch (fault) {
        if (fault.status >= 400 && fault.status < 500 && !PASSING.includes(fault.status)) {
          queue.shift();
          tries = 0;
          refused(fault);
        } else {
          tries += 1;
          if (fault.status === 401) doubt = true;
          why = fault.status === 401 ? `You are signed out. Sign in as ${rater} in another tab.`
            : fault.status || !(fault instanceof TypeError || fault.name === 'TimeoutError') ? fault.message
              : 'The server does not answer.';
          tell();
          await pause();
        }
      }
      tell();
    }
    running = false;
    waiters.splice(0).forEach((done) => done());
  }

  function add(path, click) {
    queue.push({ path, click: { uid: uid(), ...click } });
    tell();
    run();
  }

  function settle(key) {
    const one = typed.get(key);
    if (!one) return;
    clearTimeout(one.timer);
    typed.delete(key);
    add(one.path, one.click);
  }

  return {
    add,
    // Of a text only what it is when typing pauses.
    type(key, path, click) {
      clearTimeout(typed.get(key)?.timer);
      typed.set(key, { path, click, timer: setTimeout(() => settle(key), TYPING_MS) });
      tell();
    },
    settle,
    // Resolves when the server has all.
    async drained() {
      [...typed.keys()].forEach(settle);
      if (running) await new Promise((done) => waiters.push(done));
    },
  };
}

// A random UUID; browsers keep randomUUID from pages that came by plain http over a network.
function uid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
