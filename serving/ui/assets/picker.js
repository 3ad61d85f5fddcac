// The pictures of a study: read in the browser, sent as text; kept here are the server's keys alone. What is in
// view is what is asked about: of a base that takes one picture the one that is looked at, else all of them.
const find = (selector) => element.querySelector(selector);
let study = [], views = [], made = null, reading = 0;

const plain = () => ({ frame: null, centre: null, width: null, inverted: false });

function tell() {
  const all = study.map((one, at) => ({ key: one.key, ...views[at] }));
  const looked = made?.current().number ?? 0;
  props.value = all.length ? JSON.stringify(all.length > props.asked_at_once ? all.slice(looked, looked + props.asked_at_once) : all) : '';
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
  const { key } = study[number];
  return (await answered(server.show(JSON.stringify({ key, ...view })))).picture;
}

function draw() {
  made?.destroy();
  made = null;
  find('.mz-study').classList.toggle('mz-full', study.length > 0);
  find('.mz-picker b').textContent = study.length ? 'Add or drop more' : 'Drop pictures or click';
  if (study.length) {
    made = viewer(find('.mz-view'), {
      images: study.map((one, at) => ({ ...one, name: `Picture ${at + 1}` })),
      picture,
      onview: (number, view) => {
        views[number] = view;
        tell();
        suggest(study[number].suggestions ?? []);
      },
      onclose: (number) => {
        study.splice(number, 1);
        draw();
      },
    });
    suggest(study[0].suggestions ?? []);
  }
  views = study.map(plain);
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
  study = [...study, ...opened];
  draw();
}

const input = find('input[type=file]');
find('.mz-picker').addEventListener('click', () => input.click());
input.addEventListener('change', async () => {
  await take([...input.files]);
  input.value = '';
});
element.addEventListener('dragover', (event) => event.preventDefault());
element.addEventListener('drop', (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
element.addEventListener('paste', (event) => take([...event.clipboardData.files]));
watch('opened', () => {
  ++reading;
  problem('');
  study = props.opened ? JSON.parse(props.opened) : [];
  draw();
});
