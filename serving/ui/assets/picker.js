// The pictures of a study: read in the browser, sent as text. What is in view is what is asked about: of a base
// that takes one picture the one that is looked at, else all of them. All of it is gone with the page.
const find = (selector) => element.querySelector(selector);
let study = [], made = null, reading = 0, leaving = false;

function tell() {
  const all = study.map(({ key }, at) => {
    const { frame, centre, width, inverted } = made.views()[at];
    return { key, frame, centre, width, inverted };
  });
  const looked = made?.current().number ?? 0;
  const asked = all.length > props.asked_at_once ? all.slice(looked, looked + props.asked_at_once) : all;
  props.value = asked.length ? JSON.stringify(asked) : '';
  document.dispatchEvent(new CustomEvent('mz-in-view', { detail: { study, asked } }));
}
function problem(text) {
  find('.mz-study > .mz-problem').textContent = text;
  find('.mz-study > .mz-problem').hidden = !text;
}
function note(text) {
  find('.mz-study-note').textContent = text;
  find('.mz-study-note').hidden = !text;
}

async function picture(number, view) {
  const one = study[number];
  const view_of = { key: one.key, ...view };
  const { picture: url } = await answered(server.show(JSON.stringify(view_of)));
  one.drawn = { view: view_of, url };
  tell();
  return url;
}

// The study anew, each picture as it was last `shown`; the `first` of them is in view.
function draw({ shown = [], first = 0 } = {}) {
  made?.destroy();
  made = null;
  find('.mz-study').classList.toggle('mz-full', study.length > 0);
  find('.mz-picker b').textContent = study.length ? 'Add or drop more' : 'Drop pictures or click';
  find('.mz-new-study').hidden = !study.length;
  if (study.length) {
    made = viewer(find('.mz-view'), {
      images: study,
      picture,
      views: shown,
      first,
      onview: (number) => {
        tell();
        suggest(study[number].suggestions ?? []);
      },
      onclose: (number) => {
        const { number: looked } = made.current();
        const left = (all) => all.filter((_, at) => at !== number);
        study = left(study);
        draw({ shown: left(made.views()), first: Math.max(0, Math.min(looked - (number < looked), study.length - 1)) });
      },
    });
  }
  suggest(study[first]?.suggestions ?? []);
  const few = study.length > props.asked_at_once;
  note(!few ? '' : props.asked_at_once > 1 ? `A question takes ${props.asked_at_once} pictures: from the one in view on.` : 'The picture in view is asked about.');
  tell();
}

function suggest(questions) {
  const place = document.querySelector('#mz-suggestions .mz-suggestions');
  const fill = (text) => {
    const box = document.querySelector('#mz-question textarea');
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    box.focus();
  };
  place?.replaceChildren(...questions.map((text) => make('button', { type: 'button', onclick: () => fill(text) }, text)));
}

function read(file) {
  // Browsers know no DICOM; the server goes by the bytes, whatever they are called.
  const typed = new Blob([file], { type: 'application/dicom' });
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(typed);
  });
}

async function take(files) {
  const mine = ++reading;
  problem('');
  find('.mz-study').setAttribute('aria-busy', 'true');
  const wrong = [];
  const opened = [];
  for (const file of files) {
    if (study.length + opened.length >= props.most) {
      wrong.push(`No more than ${props.most} pictures are taken.`);
      break;
    }
    if (file.size > props.limit) {
      const mib = (n) => (n / 1048576).toFixed(1);
      wrong.push(`${file.name} has ${mib(file.size)} MiB, the limit is ${mib(props.limit)}.`);
      continue;
    }
    try {
      opened.push(await answered(server.look(await read(file))));
    } catch (error) {
      wrong.push(files.length > 1 ? `${file.name}: ${error.message}` : error.message);
    }
    if (mine !== reading) return;
  }
  find('.mz-study').setAttribute('aria-busy', 'false');
  problem(wrong.join(' '));
  if (!opened.length) return;
  const [first, shown] = [study.length, made?.views()];
  study = [...study, ...opened];
  draw({ shown, first });
}

function begin(pictures) {
  ++reading;
  find('.mz-study').setAttribute('aria-busy', 'false');
  problem('');
  study = pictures;
  draw();
}

const input = find('input[type=file]');
find('.mz-picker').addEventListener('click', () => input.click());
input.addEventListener('change', async () => {
  await take([...input.files]);
  input.value = '';
});
find('.mz-new-study').addEventListener('click', () => {
  if (document.querySelector('#mz-answers [aria-busy=true]')) return problem('Answers are on their way: wait for them first.');
  begin([]);
  trigger('clear'); // the question and the answers go too
  return find('.mz-picker').focus();
});
// A file belongs into the study wherever on the page it is dropped.
document.addEventListener('drop', (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
element.addEventListener('paste', (event) => take([...event.clipboardData.files]));
watch('opened', () => begin(props.opened ? JSON.parse(props.opened).map((one) => ({ ...one, given: true })) : []));

// Nothing of a study is stored, so who leaves it is asked first; but not who signs out, nor for an example.
document.addEventListener('click', ({ target }) => { leaving ||= !!target.closest?.('.mz-who button'); }, true);
addEventListener('beforeunload', (event) => {
  if (!leaving && study.some(({ given }) => !given)) event.preventDefault();
});
